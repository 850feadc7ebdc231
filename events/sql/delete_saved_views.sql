-- Deletes the saved views and the dashboards of a project. The tables belong to the app dashboard, which
-- this one can't import.
WITH boards AS (DELETE FROM dashboards WHERE project_id = %(project)s)
DELETE FROM saved_views WHERE project_id = %(project)s
