-- The same by days of any zone. The bounds let in events of the days beside.
SELECT event_type, count() AS events, min(day), max(day)
FROM
(
    SELECT event_type, toDate(occurred_at, {tz:String}) AS day
    FROM events
    WHERE occurred_at >= {since:DateTime64(3, 'UTC')}
        AND occurred_at < {until:DateTime64(3, 'UTC')}
        AND toDate(occurred_at, {tz:String}) BETWEEN {start:Date} AND {end:Date}
)
GROUP BY event_type
HAVING startsWith(caseFoldUTF8(event_type), caseFoldUTF8({prefix:String}))
ORDER BY events DESC, event_type
LIMIT {limit:UInt32}
