-- Measures the outbox, the hot layer and the connections of clients, for /metrics.
SELECT
    count(*) FILTER (WHERE state = 'pending'),
    coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE state = 'pending')), 0),
    count(*) FILTER (WHERE state IN ('failed', 'unstored')),
    (
        SELECT coalesce(sum(greatest(reltuples, pg_stat_get_live_tuples(inhrelid))), 0)
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'hot_events'::regclass
    ),
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::int
FROM batches
WHERE state IN ('pending', 'failed', 'unstored')
