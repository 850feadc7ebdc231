-- Makes ids known.
INSERT INTO dedup (event_id) SELECT unnest(%(ids)s::uuid[]) ON CONFLICT DO NOTHING
