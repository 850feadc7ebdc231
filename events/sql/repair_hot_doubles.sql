-- Deletes all rows but the first of each given id. A ctid is a row's place in one partition, so the
-- statement compares tableoid as well.
DELETE FROM hot_events
USING (
    SELECT tableoid, ctid, row_number() OVER (PARTITION BY event_id ORDER BY tableoid, ctid) AS copy
    FROM hot_events
    WHERE project_id = %(project)s AND event_id = ANY(%(ids)s::uuid[])
) AS copies
WHERE copies.copy > 1
  AND hot_events.tableoid = copies.tableoid AND hot_events.ctid = copies.ctid
  AND hot_events.project_id = %(project)s AND hot_events.event_id = ANY(%(ids)s::uuid[])
