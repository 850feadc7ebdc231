-- Returns those of the given ids that dedup has.
SELECT event_id::text FROM /*dedup*/ WHERE event_id = ANY(%(ids)s::uuid[])
