-- The rows of a query of hot events, newest first, as long as their properties together have no
-- more bytes than the parameter, the first in any case; `found` says how many rows the query has.
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
