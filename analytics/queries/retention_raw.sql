-- Users by cohort and by the weeks after it in which they came, for the events that match.
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
ARRAY JOIN range({windows:UInt8} + 1) AS week_after
WHERE bitTest(pattern, week_after)
GROUP BY cohort, week_after
ORDER BY cohort, week_after
