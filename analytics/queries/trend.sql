-- A measure of each bucket of a range, and of the range. The names between /* and */ are filled in by
-- analytics.trends.asking, from SQL of this service.
SELECT grouping(bucket) AS is_range, /*bucket*/ AS bucket, /*measure*/
FROM /*source*/
WHERE /*range*/ AND /*segments*/
GROUP BY GROUPING SETS ((bucket), ())
