-- Counts the ids older than `before` in a range of dedup's pages and adds up their hashes, by
-- bucket; see verify_hot_digests.sql. The range is small, so that no snapshot is held for long.
SELECT hash & %(mask)s, count(*), sum(hash)
FROM (
    SELECT ('x' || left(md5(event_id::text), 16))::bit(64)::bigint AS hash
    FROM /*dedup*/
    WHERE ctid >= format('(%%s,0)', %(first_page)s::bigint)::tid
      AND ctid < format('(%%s,0)', %(end_page)s::bigint)::tid
      AND first_seen < %(before)s
    OFFSET 0
) AS hashes
GROUP BY 1
