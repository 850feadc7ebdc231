-- Lists the event types of the hot layer in order. The index leads from each type to the next, so
-- the query does not read every row.
WITH RECURSIVE types AS (
    (
        SELECT event_type FROM hot_events
        WHERE project_id = %(project)s ORDER BY event_type LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT event_type FROM hot_events
        WHERE project_id = %(project)s AND event_type > types.event_type ORDER BY event_type LIMIT 1
    )
    FROM types
    WHERE types.event_type IS NOT NULL
)
SELECT event_type FROM types WHERE event_type IS NOT NULL LIMIT %(limit)s
