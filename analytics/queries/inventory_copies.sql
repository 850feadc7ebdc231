-- How many copies of each of some ids there are on some days. Both replicas of a shard have the
-- same rows, so a copy on both counts once. A copy on only one replica counts too: the other
-- replica may lag.
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
