-- Inserts the given events that the hot layer lacks.
INSERT INTO hot_events (project_id, event_id, occurred_at, user_id, event_type, properties)
SELECT %(project)s, event_id, occurred_at, user_id, event_type, properties::json
FROM unnest(
    %(ids)s::uuid[], %(moments)s::timestamptz[], %(users)s::text[], %(types)s::text[],
    %(properties)s::text[]
) AS lacking (event_id, occurred_at, user_id, event_type, properties)
WHERE NOT EXISTS (
    SELECT FROM hot_events AS hot
    WHERE hot.project_id = %(project)s AND hot.event_id = lacking.event_id
)
