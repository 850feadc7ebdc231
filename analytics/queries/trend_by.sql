-- A measure of each bucket and of the range, for each of the first values of a field. Place 0 is for
-- events without a value, and the place after the last one for all other values. See trend.sql.
SELECT place, any(name) AS shown, grouping(bucket) AS is_range, bucket, /*merged*/
FROM
(
    /*places*/
    SELECT place_ AS place, top[place] AS name, /*bucket*/ AS bucket, /*states*/
    FROM /*source*/
    WHERE /*range*/ AND /*segments*/
    GROUP BY place, bucket
)
GROUP BY GROUPING SETS ((place, bucket), (place))
