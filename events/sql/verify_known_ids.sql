-- Returns the ids in the given buckets of a range of dedup's pages.
SELECT event_id::text
FROM /*dedup*/
WHERE ctid >= format('(%%s,0)', %(first_page)s::bigint)::tid
  AND ctid < format('(%%s,0)', %(end_page)s::bigint)::tid
  AND ('x' || left(md5(event_id::text), 16))::bit(64)::bigint & %(mask)s
      = ANY(%(buckets)s::bigint[])
