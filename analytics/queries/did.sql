-- The users with an event of a type on some days, for a segment. A segment without a window also
-- takes the day before the first one, which ClickHouse stores as its last.
SELECT user_hash
FROM daily_users_by_type
WHERE event_type = {type:String}
    AND (day BETWEEN {first:Date} AND {last:Date} OR day = {before:Date})
