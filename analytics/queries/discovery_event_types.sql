-- The most frequent event types whose names begin like this, with their first and last day; equal
-- counts by name.
SELECT event_type, sum(of_day) AS events, min(day), max(day)
FROM
(
    SELECT event_type, day, sum(events) AS of_day
    FROM daily_events
    WHERE day BETWEEN {start:Date} AND {end:Date}
        AND startsWith(caseFoldUTF8(event_type), caseFoldUTF8({prefix:String}))
    GROUP BY event_type, day
    HAVING of_day > 0 -- a correction may have left 0
)
GROUP BY event_type
ORDER BY events DESC, event_type
LIMIT {limit:UInt32}
