-- Deletes the imports of a project. The table belongs to the app importer, which this one can't import.
DELETE FROM imports WHERE project_id = %(project)s
