-- A measure of each bucket and of the range, for each of the first values of a field. Place 0 is for
-- events without a value, and the place after the last one for all other values. See trend.sql. Only
-- the row of the range has the value, which may be long, and its mark.
WITH /*top*/ AS top
SELECT
    place,
    if(is_range = 1, top[place], '') AS shown,
    if(is_range = 1, hex(sipHash128(shown)), '') AS mark,
    grouping(bucket) AS is_range,
    bucket,
    /*merged*/
FROM
(
    WITH /*value*/ AS value, /*place of the value*/ AS place_
    SELECT place_ AS place, /*bucket*/ AS bucket, /*states*/
    FROM /*source*/
    WHERE /*range*/ AND /*segments*/
    GROUP BY place, bucket
)
GROUP BY GROUPING SETS ((place, bucket), (place))
