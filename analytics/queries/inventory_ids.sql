-- The ids in some buckets, with their number of copies and their first day.
WITH reinterpretAsInt64(reverse(substring(MD5(toString(event_id)), 1, 8))) AS hash
SELECT toString(event_id), count(), min(toDate(occurred_at))
FROM events
WHERE occurred_at >= {start:Date} AND occurred_at < {end:Date} + 1
    AND bitAnd(hash, {mask:UInt32}) IN {buckets:Array(UInt32)}
GROUP BY event_id
