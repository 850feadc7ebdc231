-- The place of each copy of some ids. A part never changes. So its name and an offset in it always
-- mean the same row, or no row after the part was merged or mutated. Several shards may have parts
-- of the same name. Together with the user, a place is on one shard only.
SELECT
    toString(event_id), user_hash, _part, _part_offset, toDate(occurred_at, {tz:String}), event_type,
    toString(sipHash128(occurred_at, user_id, event_type, properties_text))
FROM events
WHERE event_id IN {ids:Array(UUID)}
ORDER BY event_id, user_hash, _part, _part_offset
