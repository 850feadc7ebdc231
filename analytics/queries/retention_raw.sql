-- Users by cohort and by the weeks after it in which they came, for the events that match; see
-- retention.sql.
SELECT cohort, week_after, sum(users)
FROM
(
    SELECT
        cohort,
        bitAnd(toUInt64(bitShiftRight(came, toUInt8(cohort - {first:UInt16}))), {pattern:UInt64}) AS pattern,
        count() AS users
    FROM
    (
        -- 1969-12-31, which zones west of Greenwich have, is day 65535 for ClickHouse. Plus 3 it is 2.
        WITH intDiv(toUInt16(toUInt16(toDate(occurred_at, {tz:String})) + 3), 7) AS week
        SELECT
            min(week) AS cohort,
            groupBitOr(bitShiftLeft(
                toUInt128(week BETWEEN {first:UInt16} AND {first:UInt16} + 127),
                toUInt8(least(127, greatest(week, {first:UInt16}) - {first:UInt16}))
            )) AS came
        FROM events
        WHERE /*segments*/ 1
        GROUP BY user_hash
    )
    WHERE cohort BETWEEN {first:UInt16} AND {last:UInt16}
    GROUP BY cohort, pattern
)
ARRAY JOIN bitPositionsToArray(pattern) AS week_after
GROUP BY cohort, week_after
