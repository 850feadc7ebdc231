-- A page of the people who are asked for, newest first, by their hashes, and how many there are in all.
SELECT user_hash, toUnixTimestamp64Milli(last) AS at, total
FROM
(
    SELECT user_hash, max(last_at) AS last, count() OVER () AS total
    FROM users
    WHERE /*asked*/ 1
    GROUP BY user_hash
)
WHERE (at, user_hash) < ({page_at:Int64}, {page_hash:UInt64})
ORDER BY at DESC, user_hash DESC
LIMIT {page_limit:UInt32}
