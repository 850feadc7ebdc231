-- Deletes the oldest rejected events beyond the given number of rows or bytes.
DELETE FROM rejected_events WHERE id <= (
    SELECT max(id) FROM (
        SELECT
            id,
            row_number() OVER newest_first AS rows,
            sum(octet_length(raw) + octet_length(message)) OVER newest_first AS bytes
        FROM rejected_events
        WINDOW newest_first AS (ORDER BY id DESC)
    ) AS counted
    WHERE rows > %(rows)s OR bytes > %(bytes)s
)
