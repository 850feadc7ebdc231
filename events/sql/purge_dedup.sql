-- Deletes the old ids in a range of pages. With LIMIT instead, each statement would read again the
-- dead rows that earlier statements left.
DELETE FROM /*dedup*/
WHERE ctid >= format('(%%s,0)', %(first_page)s::bigint)::tid
  AND ctid < format('(%%s,0)', %(end_page)s::bigint)::tid
  AND first_seen < %(before)s
