-- How far back a look at so many events goes: the first of the newest days that have no more events
-- together, and their events. The newest day with events always counts. Then all events of the range.
SELECT
    minIf(day, is_near) AS first,
    sumIf(events, is_near) AS near,
    sum(events) AS total
FROM
(
    SELECT
        day,
        events,
        sum(events) OVER (ORDER BY day DESC) AS so_far,
        so_far <= {most:UInt64} OR so_far = events AS is_near
    FROM
    (
        SELECT day, sum(events) AS events
        FROM daily_events
        WHERE day BETWEEN {start:Date} AND {end:Date}
            AND ({type:String} = '' OR event_type = {type:String})
        GROUP BY day
        HAVING events > 0 -- a correction may have left 0
    )
)
