-- Counts the hot events of a time span and adds up the hashes of their ids, by bucket. The hash is
-- the first 64 bits of the id's MD5, signed, as in analytics/queries/inventory_digests.sql. With
-- OFFSET 0, PostgreSQL does not compute the hash twice.
SELECT hash & %(mask)s, count(*), sum(hash)
FROM (
    SELECT ('x' || left(md5(event_id::text), 16))::bit(64)::bigint AS hash
    FROM hot_events
    WHERE project_id = %(project)s AND occurred_at >= %(start)s AND occurred_at < %(end)s
    OFFSET 0
) AS hashes
GROUP BY 1
