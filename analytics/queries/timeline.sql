-- The newest events of a user before a place in the order of time and id. The properties of all
-- together have at most `bytes`, but the first event is always returned. `found` is the number of
-- events without that limit. The places are found first, so that properties are read of the page alone.
-- An id is compared as text: ClickHouse has an order of its own for UUIDs.
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
            AND (occurred_at, event_id) IN
            (
                SELECT DISTINCT occurred_at, event_id
                FROM events
                WHERE user_hash = sipHash64({user:String}) AND user_id = {user:String}
                    AND occurred_at <= {at:DateTime64(3, 'UTC')}
                    AND (occurred_at, toString(event_id)) < ({at:DateTime64(3, 'UTC')}, {id:String})
                ORDER BY occurred_at DESC, toString(event_id) DESC
                LIMIT {limit:UInt32}
            )
        LIMIT 1 BY id
    )
    WINDOW newest_first AS (
        ORDER BY occurred_at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
)
WHERE so_far <= {bytes:UInt32} OR place = 1
ORDER BY place
