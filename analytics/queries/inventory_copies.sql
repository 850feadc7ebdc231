-- How often each of some ids is there, on some days. Replicas have the same rows, and what one of
-- them has is there: a copy counts once, and counts where the other replica lags.
SELECT toString(event_id), sum(copies)
FROM
(
    SELECT event_id, user_hash, max(copies) AS copies
    FROM
    (
        SELECT event_id, user_hash, shardNum() AS server, count() AS copies
        FROM events
        WHERE occurred_at >= {start:Date} AND occurred_at < {end:Date} + 1
            AND event_id IN {ids:Array(UUID)}
        GROUP BY event_id, user_hash, server
    )
    GROUP BY event_id, user_hash
)
GROUP BY event_id
