-- Deletes some hot events of a project. A ctid is a row's place in one partition, so the statement
-- compares tableoid as well.
DELETE FROM hot_events
USING (
    SELECT tableoid, ctid FROM hot_events WHERE project_id = %(project)s LIMIT %(limit)s
) AS bite
WHERE hot_events.tableoid = bite.tableoid AND hot_events.ctid = bite.ctid
  AND hot_events.project_id = %(project)s
