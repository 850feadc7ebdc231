-- Users by cohort and by the weeks after it in which they came, for events of one type; see
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
        SELECT
            min(first_week) AS cohort,
            groupBitOr(multiIf(
                epoch = {epoch:UInt16}, bitShiftRight(weeks, {before:UInt8}),
                epoch = {next_epoch:UInt16}, bitShiftLeft(weeks, {after:UInt8}),
                0
            )) AS came
        FROM weekly_users_by_type
        WHERE /*segments*/ 1
        GROUP BY user_hash
    )
    WHERE cohort BETWEEN {first:UInt16} AND {last:UInt16}
    GROUP BY cohort, pattern
)
ARRAY JOIN bitPositionsToArray(pattern) AS week_after
GROUP BY cohort, week_after
