-- Every event of some days with all fields, in no order. The time is as in events.format.records.
SELECT
    toString(event_id),
    concat(replaceOne(toString(occurred_at), ' ', 'T'), 'Z'),
    user_id,
    event_type,
    properties_text
FROM events
WHERE /*segments*/ occurred_at >= {start:Date} AND occurred_at < {end:Date} + 1
