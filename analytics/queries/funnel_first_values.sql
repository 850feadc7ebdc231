-- The values of a field that most users entered a funnel with, as an array; see funnel_by.sql. An array is
-- made once. With IN, each shard of a cluster would look at its own users only.
(
    SELECT groupArray(assumeNotNull(value))
    FROM
    (
        SELECT value
        FROM
        (
            /*users*/
        )
        WHERE isNotNull(value)
        GROUP BY value
        ORDER BY count() DESC, value
        LIMIT {n:UInt16}
    )
)
