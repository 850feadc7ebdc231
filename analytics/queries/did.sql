-- The users with an event of a type on some days, for a segment. A window that begins before 1970 also
-- has 1969-12-31, which ClickHouse stores as its last day; for others `before` is a day of the window.
SELECT user_hash
FROM daily_users_by_type
WHERE event_type = {type:String}
    AND (day BETWEEN {first:Date} AND {last:Date} OR day = {before:Date})
