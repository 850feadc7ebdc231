-- Days and types for which daily_events differs from the events, and by how much it is higher.
SELECT day, event_type, toInt64(sum(kept)) - toInt64(sum(counted)) AS excess
FROM
(
    SELECT day, event_type, events AS kept, 0 AS counted
    FROM daily_events
    WHERE day BETWEEN {start:Date} AND {end:Date}
    UNION ALL
    SELECT toDate(occurred_at, {tz:String}) AS day, event_type, 0 AS kept, count() AS counted
    FROM events
    WHERE occurred_at >= {since:DateTime64(3, 'UTC')} AND occurred_at < {until:DateTime64(3, 'UTC')}
        AND toDate32(occurred_at, {tz:String}) BETWEEN {start:Date} AND {end:Date}
    GROUP BY day, event_type
)
GROUP BY day, event_type
HAVING excess != 0
ORDER BY day, event_type
