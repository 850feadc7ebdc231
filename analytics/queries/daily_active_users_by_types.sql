-- Users a day with an event of one of several types, each user once; see daily_active_users.sql.
SELECT day, uniqExact(user_hash)
FROM daily_users_by_type
WHERE indexHint(day BETWEEN {start:Date} AND {end:Date}) AND /*segments*/ 1
GROUP BY day
