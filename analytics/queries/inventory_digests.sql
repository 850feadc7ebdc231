-- Rows and the sum of their ids' hashes, by bucket. The hash is the first 64 bits of the id's MD5,
-- signed, as in events/sql/verify_hot_digests.sql.
WITH reinterpretAsInt64(reverse(substring(MD5(toString(event_id)), 1, 8))) AS hash
SELECT bitAnd(hash, {mask:UInt32}) AS bucket, count(), toString(sum(toInt128(hash)))
FROM events
WHERE occurred_at >= {start:Date} AND occurred_at < {end:Date} + 1
GROUP BY bucket
