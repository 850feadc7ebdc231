-- Writes when one process last saw each key in use. Another process may have seen a later use.
-- Skips locked rows: a thread that waited here could not read revocations meanwhile.
WITH free AS
(
    SELECT id FROM api_keys WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED
)
UPDATE api_keys
SET last_used_at = greatest(api_keys.last_used_at, used.at)
FROM unnest(%(ids)s::bigint[], %(at)s::timestamptz[]) AS used (id, at) JOIN free USING (id)
WHERE api_keys.id = used.id
