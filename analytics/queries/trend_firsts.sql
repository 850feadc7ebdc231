-- The users whose first event of all that match is in a range, with its moment or day. The names
-- between /* and */ are filled in by analytics.trends.firsts, from SQL of this service. Day 65535 is
-- 1969-12-31, which is before all ranges.
SELECT user_hash, first AS /*name*/
FROM
(
    SELECT user_hash, min(/*first*/) AS first
    FROM /*source*/
    WHERE /*asked*/ AND /*segments*/
    GROUP BY user_hash
    HAVING /*not before*/
)
WHERE /*range*/
