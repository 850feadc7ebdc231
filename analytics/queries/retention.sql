-- Users by cohort and by the weeks after it in which they came.
-- The weeks of a user become one mask. Its bit 0 is the week of the first cohort. Shifted by the
-- user's own cohort, the mask says in which weeks after that cohort the user came. Users with the
-- same cohort and pattern become one row with a count, before the pattern is split into weeks.
-- Every shift is by an unsigned number below 128. After a shift by 128, compiled expressions leave
-- the mask unchanged instead of 0 (ClickHouse issue 120327). A shift by a signed number makes the
-- mask signed, and a shift to the right then copies the last week into all weeks after it.
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
