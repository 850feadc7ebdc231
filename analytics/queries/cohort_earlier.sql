-- The users with a starting event before a week: that in which the first cohort begins, or a range.
SELECT user_hash
FROM /*weeks*/
WHERE first_week < {first_week:UInt16} AND /*segments*/ AND /*starts*/
