-- The months (UTC) before a day that have events, oldest first, and how many events each has.
SELECT toString(toDate(toStartOfMonth(occurred_at))) AS month, count()
FROM events
WHERE occurred_at < {before:DateTime64(3, 'UTC')}
GROUP BY month
ORDER BY month
