-- Returns the newest rows of a query of hot events. Their properties together have at most as many
-- bytes as the parameter says, but the first row is always returned. `found` is the number of rows
-- that the query has.
SELECT event_id, occurred_at, user_id, event_type, properties, found
FROM (
    SELECT
        matching.*,
        count(*) OVER () AS found,
        row_number() OVER newest_first AS place,
        sum(octet_length(properties)) OVER newest_first AS so_far
    FROM (/*matching*/) AS matching
    WINDOW newest_first AS (
        ORDER BY occurred_at DESC, event_id DESC ROWS UNBOUNDED PRECEDING
    )
) AS measured
WHERE so_far <= %s OR place = 1
ORDER BY occurred_at DESC, event_id DESC
