-- Users by cohort and by the periods in which they came. Users with the same cohort and periods become
-- one row with a count, before the periods become rows.
SELECT cohort, period, sum(users)
FROM
(
    SELECT cohort, came, count() AS users
    FROM (/*users*/)
    GROUP BY cohort, came
)
ARRAY JOIN bitPositionsToArray(came) AS period
GROUP BY cohort, period
