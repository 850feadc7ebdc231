-- When keys were last used, as one process saw it; another may have seen a later use.
-- A row that somebody has locked is passed over: whoever waited here would read no revocations.
WITH free AS
(
    SELECT id FROM api_keys WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED
)
UPDATE api_keys
SET last_used_at = greatest(api_keys.last_used_at, used.at)
FROM unnest(%(ids)s::bigint[], %(at)s::timestamptz[]) AS used (id, at) JOIN free USING (id)
WHERE api_keys.id = used.id
