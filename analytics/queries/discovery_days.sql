-- How far back a look at about so many events goes. It takes the newest days that together have no more,
-- and also the next day as long as it has less than half as many. The first of these days, their
-- events, and all events of the range.
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
        so_far <= {most:UInt64} OR (so_far - events) * 2 < {most:UInt64} AS is_near
    FROM
    (
        SELECT day, sum(events) AS events
        FROM daily_events
        WHERE day BETWEEN {start:Date} AND {end:Date}
            AND ({type:String} = '' OR event_type = {type:String})
        GROUP BY day
    )
)
