-- Users of each day of a range, and of the range. The table has a row for each user of a day, so those
-- of a day are its rows, and only those of the range have to be told apart. The names between /* and
-- */ are filled in by analytics.trends.asking, from SQL of this service.
SELECT *
FROM
(
    SELECT 0 AS is_range, /*bucket*/ AS bucket, count() AS users
    FROM /*source*/ FINAL
    WHERE /*range*/ AND /*segments*/
    GROUP BY bucket
    SETTINGS do_not_merge_across_partitions_select_final = 1
)
UNION ALL
SELECT 1, 0, uniqExact(user_hash)
FROM /*source*/
WHERE /*range*/ AND /*segments*/
