-- The users with a starting event before the week in which the first cohort begins.
SELECT user_hash
FROM /*weeks*/
WHERE first_week < {first_week:UInt16} AND /*segments*/ AND /*starts*/
