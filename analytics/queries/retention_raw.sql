-- Users by cohort and weeks after it, looking at the events that match.
-- A user's weeks become one mask whose bit 0 is the first cohort's week; shifted by the user's own
-- cohort it says in which weeks after it the user came. Users who share cohort and pattern are
-- counted as one row before the pattern is taken apart.
-- Shifts are by less than 128 and unsigned: by 128, compiled expressions leave the mask as it is
-- instead of 0 (ClickHouse issue 120327), and by a signed number the mask becomes signed, so that
-- its last week fills all after it on the way to the right.
SELECT cohort, week_after, sum(users)
FROM
(
    SELECT
        cohort,
        toUInt64(bitAnd(bitShiftRight(came, toUInt8(cohort - {first:UInt16})), {pattern:UInt64})) AS pattern,
        count() AS users
    FROM
    (
        WITH intDiv(toUInt16(toDate(occurred_at)) + 3, 7) AS week
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
ARRAY JOIN range({windows:UInt8} + 1) AS week_after
WHERE bitTest(pattern, week_after)
GROUP BY cohort, week_after
ORDER BY cohort, week_after
