-- Where each copy of some ids lies. A part never changes, so that its name and a row's place in it
-- mean the same row for ever, or none once the part was merged or mutated. Shards have parts of the
-- same names: with its user a place is one shard's.
SELECT
    toString(event_id), user_hash, _part, _part_offset, toDate(occurred_at), event_type,
    toString(sipHash128(occurred_at, user_id, event_type, properties_text))
FROM events
WHERE event_id IN {ids:Array(UUID)}
ORDER BY event_id, user_hash, _part, _part_offset
