-- Users by cohort and weeks after it in which they came.
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
        SELECT
            min(first_week) AS cohort,
            groupBitOrIf(
                bitShiftRight(
                    bitShiftLeft(
                        weeks,
                        toUInt8(least(127, greatest(epoch * 128, {first:UInt16}) - {first:UInt16}))
                    ),
                    toUInt8(least(127, {first:UInt16} - least(epoch * 128, {first:UInt16})))
                ),
                abs(epoch * 128 - {first:UInt16}) < 128
            ) AS came
        FROM weekly_users
        GROUP BY user_hash
    )
    WHERE cohort BETWEEN {first:UInt16} AND {last:UInt16}
    GROUP BY cohort, pattern
)
ARRAY JOIN range({windows:UInt8} + 1) AS week_after
WHERE bitTest(pattern, week_after)
GROUP BY cohort, week_after
ORDER BY cohort, week_after
