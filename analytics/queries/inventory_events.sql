-- Some events of a day with all fields, one copy of each. PostgreSQL can read the time.
SELECT toString(event_id), concat(toString(occurred_at), '+00'), user_id, event_type, properties_text
FROM events
WHERE occurred_at >= {day:Date} AND occurred_at < {day:Date} + 1 AND event_id IN {ids:Array(UUID)}
LIMIT 1 BY event_id
