-- Users by cohort and by the weeks after it in which they came.
-- The weeks of a user become one mask. Its bit 0 is the week of the first cohort. Shifted by the
-- user's own cohort, the mask says in which weeks after that cohort the user came. Users with the
-- same cohort and pattern become one row with a count, before the pattern is split into weeks.
-- The mask takes its bits from the epoch of its first week and from the epoch after that.
-- On a small history, most of the time goes into planning the query. So Python computes epochs and
-- shifts, and each function here must be worth it.
-- Every shift is by an unsigned number below 128. After a shift by 128, compiled expressions leave
-- the mask unchanged instead of 0 (ClickHouse issue 120327). A shift by a signed number makes the
-- mask signed, and a shift to the right then copies the last week into all weeks after it.
SELECT cohort, week_after, sum(users)
FROM
(
    SELECT
        cohort,
        bitAnd(toUInt64(bitShiftRight(came, toUInt8(cohort - {first:UInt16}))), {pattern:UInt64}) AS pattern,
        count() AS users
    FROM
    (
        SELECT
            min(first_week) AS cohort,
            groupBitOr(multiIf(
                epoch = {epoch:UInt16}, bitShiftRight(weeks, {before:UInt8}),
                epoch = {next_epoch:UInt16}, bitShiftLeft(weeks, {after:UInt8}),
                0
            )) AS came
        FROM weekly_users
        WHERE /*segments*/ 1
        GROUP BY user_hash
    )
    WHERE cohort BETWEEN {first:UInt16} AND {last:UInt16}
    GROUP BY cohort, pattern
)
ARRAY JOIN bitPositionsToArray(pattern) AS week_after
GROUP BY cohort, week_after
