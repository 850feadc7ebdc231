-- Adds ids that dedup lacks.
INSERT INTO /*dedup*/ (event_id) SELECT unnest(%(ids)s::uuid[]) ON CONFLICT DO NOTHING
