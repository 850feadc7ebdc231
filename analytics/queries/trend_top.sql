-- The values of a field with the highest measure over a range; equal ones by their text.
(
    SELECT groupArray(assumeNotNull(value))
    FROM
    (
        SELECT /*value*/ AS value
        FROM /*source*/
        WHERE /*range of top*/ AND /*segments*/ AND value IS NOT NULL
        GROUP BY value
        ORDER BY /*measure*/ DESC NULLS LAST, value
        LIMIT {n:UInt16}
    )
)
