-- The most frequent event types among the events that match; equal counts by name.
SELECT event_type, count() AS count
FROM events
WHERE occurred_at >= {since:DateTime64(3, 'UTC')} AND occurred_at < {until:DateTime64(3, 'UTC')}
    AND /*segments*/ 1
GROUP BY event_type
ORDER BY count DESC, event_type
LIMIT {limit:UInt32}
