-- The values of a field that most users entered a funnel with; see funnel_by.sql.
SELECT value
FROM
(
    /*users*/
)
WHERE isNotNull(value)
GROUP BY value
ORDER BY count() DESC, value
LIMIT {n:UInt16}
