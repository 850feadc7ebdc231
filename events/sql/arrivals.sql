-- Returns the newest events that arrived from one moment to another, as far as the hot layer has them.
-- Their properties together have at most `bytes`, but the first row is always returned. `found` is
-- the number of rows without that limit, and `arrived` the number of arrivals that were looked at:
-- the newest ones, at most `most`. There is always a row; without an event it has none.
WITH arrivals AS MATERIALIZED (
    SELECT event_id, first_seen
    FROM /*dedup*/
    WHERE first_seen >= %(since)s AND first_seen < %(until)s
    ORDER BY first_seen DESC
    LIMIT %(most)s
),
matching AS (
    SELECT hot.*, first_seen
    FROM arrivals JOIN hot_events AS hot USING (event_id)
    WHERE hot.project_id = %(project)s
      AND (%(user_id)s::text IS NULL OR hot.user_id = %(user_id)s)
      AND (%(event_type)s::text IS NULL OR hot.event_type = %(event_type)s)
    ORDER BY first_seen DESC, event_id DESC
    LIMIT %(limit)s + 1
),
measured AS (
    SELECT
        matching.*,
        count(*) OVER () AS found,
        row_number() OVER newest_first AS place,
        sum(octet_length(properties::text)) OVER newest_first AS so_far
    FROM matching
    WINDOW newest_first AS (
        ORDER BY first_seen DESC, event_id DESC ROWS UNBOUNDED PRECEDING
    )
)
SELECT event_id, occurred_at, user_id, event_type, properties::text AS properties, found, arrived
FROM (SELECT count(*) AS arrived FROM arrivals) AS counted
LEFT JOIN measured ON so_far <= %(bytes)s OR place = 1
ORDER BY place
