-- The same by days of any zone. Which events they are, analytics.discovery.looking says.
SELECT event_type, count() AS events, min(day), max(day)
FROM
(
    SELECT event_type, toDate(occurred_at, {tz:String}) AS day
    FROM events
    WHERE /*looked at*/
)
GROUP BY event_type
HAVING startsWith(caseFoldUTF8(event_type), caseFoldUTF8({prefix:String}))
ORDER BY events DESC, event_type
LIMIT {limit:UInt32}
