-- The newest events of a user before a place in the order of time and id. The properties of all
-- together have at most `bytes`, but the first event is always returned. `found` is the number of
-- events without that limit. An id is compared as text: ClickHouse has an order of its own for UUIDs.
SELECT id, concat(replaceOne(toString(occurred_at), ' ', 'T'), 'Z'), event_type, properties_text, found
FROM
(
    SELECT
        *,
        count() OVER () AS found,
        row_number() OVER newest_first AS place,
        sum(length(properties_text)) OVER newest_first AS so_far
    FROM
    (
        SELECT toString(event_id) AS id, occurred_at, event_type, properties_text
        FROM events
        WHERE user_hash = sipHash64({user:String}) AND user_id = {user:String}
            AND occurred_at <= {at:DateTime64(3, 'UTC')}
            AND (occurred_at, id) < ({at:DateTime64(3, 'UTC')}, {id:String})
        ORDER BY occurred_at DESC, id DESC
        LIMIT {limit:UInt32}
    )
    WINDOW newest_first AS (
        ORDER BY occurred_at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
)
WHERE so_far <= {bytes:UInt32} OR place = 1
ORDER BY place
