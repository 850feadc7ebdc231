-- Days and types for which daily_events differs from the events, and by how much it is higher.
-- 1969-12-31, which zones west of Greenwich have, is day 65535 for ClickHouse. It goes with 1970-01-01.
SELECT day, event_type, toInt64(sum(kept)) - toInt64(sum(counted)) AS excess
FROM
(
    SELECT day, event_type, events AS kept, 0 AS counted
    FROM daily_events
    WHERE day BETWEEN {start:Date} AND {end:Date}
        OR (toUInt16(day) = 65535 AND toUInt16({start:Date}) = 0)
    UNION ALL
    SELECT toDate(occurred_at, {tz:String}) AS day, event_type, 0 AS kept, count() AS counted
    FROM events
    WHERE occurred_at >= {since:DateTime64(3, 'UTC')} AND occurred_at < {until:DateTime64(3, 'UTC')}
        AND (
            toDate32(occurred_at, {tz:String}) BETWEEN {start:Date} AND {end:Date}
            OR (toDate32(occurred_at, {tz:String}) < {start:Date} AND toUInt16({start:Date}) = 0)
        )
    GROUP BY day, event_type
)
GROUP BY day, event_type
HAVING excess != 0
ORDER BY day, event_type
