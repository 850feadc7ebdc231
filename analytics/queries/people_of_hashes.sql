-- The people with some hashes. Moments are as in export_events.sql.
SELECT
    user_hash,
    user_id,
    concat(replaceOne(toString(min(first_at)), ' ', 'T'), 'Z'),
    concat(replaceOne(toString(max(last_at)), ' ', 'T'), 'Z')
FROM users
WHERE user_hash IN {page_hashes:Array(UInt64)} AND /*asked*/ 1
GROUP BY user_hash, user_id
