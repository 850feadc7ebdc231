-- Every event of some days in full, in no order; the moment as events.format.records writes it.
SELECT
    toString(event_id),
    concat(replaceOne(toString(occurred_at), ' ', 'T'), 'Z'),
    user_id,
    event_type,
    properties_text
FROM events
WHERE /*segments*/ occurred_at >= {start:Date} AND occurred_at < {end:Date} + 1
