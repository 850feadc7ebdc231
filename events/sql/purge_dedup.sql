-- The old ids in a stretch of pages. A bite by LIMIT would meet again what earlier bites left dead.
DELETE FROM dedup
WHERE ctid >= format('(%%s,0)', %(first_page)s::bigint)::tid
  AND ctid < format('(%%s,0)', %(end_page)s::bigint)::tid
  AND first_seen < %(before)s
