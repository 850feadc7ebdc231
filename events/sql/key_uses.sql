-- When keys were last used, as one process saw it; another may have seen a later use.
UPDATE api_keys
SET last_used_at = greatest(api_keys.last_used_at, used.at)
FROM unnest(%(ids)s::bigint[], %(at)s::timestamptz[]) AS used (id, at)
WHERE api_keys.id = used.id
