-- As funnel.sql, for all users (place 0), for the values of a field that most users entered with (from
-- place 1 on), for all other values, and last for users who entered without a value.
SELECT
    place,
    if(place BETWEEN 1 AND {n:UInt16}, any(value), NULL),
    countForEachMerge(users),
    quantileExactInclusiveForEachMerge(0.5)(times)
FROM
(
    SELECT
        value,
        users,
        times,
        if(
            isNull(value),
            {n:UInt16} + 2,
            least(row_number() OVER (PARTITION BY isNull(value) ORDER BY entered DESC, value), {n:UInt16} + 1)
        ) AS place
    FROM
    (
        SELECT
            value,
            count() AS entered,
            countForEachState(took) AS users,
            quantileExactInclusiveForEachState(0.5)(took) AS times
        FROM
        (
            /*users*/
        )
        GROUP BY value
    )
)
GROUP BY GROUPING SETS ((place), ())
ORDER BY place
