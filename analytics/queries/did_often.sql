-- The users with so many events of a type on some days, for a segment; see did.sql. A Date would take
-- 1969-12-31 for a day of 2149, and ClickHouse would then skip parts that begin on it.
SELECT user_hash
FROM events
WHERE event_type = {type:String}
    AND occurred_at >= {since:DateTime64(3, 'UTC')} AND occurred_at < {until:DateTime64(3, 'UTC')}
    AND (
        toDate32(occurred_at, {tz:String}) BETWEEN {first:Date} AND {last:Date}
        OR {before:Date} > {last:Date} AND toDate32(occurred_at, {tz:String}) < {first:Date}
    )
GROUP BY user_hash
HAVING count() >= {times:UInt32}
