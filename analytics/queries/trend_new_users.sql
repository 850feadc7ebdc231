-- The users whose first event is that of a number of a trend.
SELECT user_hash
FROM (/*firsts*/)
WHERE /*moments*/
