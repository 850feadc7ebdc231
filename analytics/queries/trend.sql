-- A measure of each bucket of a range, and of the range. The names between /* and */ are filled in by
-- analytics.trends.asking, from SQL of this service. The range is made of the buckets' states, so that
-- the rows are read into sets once.
SELECT grouping(bucket) AS is_range, bucket, /*merged*/
FROM
(
    SELECT /*bucket*/ AS bucket, /*states*/
    FROM /*source*/
    WHERE /*range*/ AND /*segments*/
    GROUP BY bucket
)
GROUP BY GROUPING SETS ((bucket), ())
