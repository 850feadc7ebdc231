-- The users with so many events of a type on some days, for a segment; see did.sql.
SELECT user_hash
FROM events
WHERE event_type = {type:String}
    AND occurred_at >= {since:DateTime64(3, 'UTC')} AND occurred_at < {until:DateTime64(3, 'UTC')}
    AND (
        toDate(occurred_at, {tz:String}) BETWEEN {first:Date} AND {last:Date}
        OR toDate(occurred_at, {tz:String}) = {before:Date}
    )
GROUP BY user_hash
HAVING count() >= {times:UInt32}
