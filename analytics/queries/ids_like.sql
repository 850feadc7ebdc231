-- Some ids of users that begin like this. Without an order it stops as soon as there are enough, and it
-- needs no memory for all of them.
SELECT DISTINCT user_id
FROM users
WHERE startsWith(user_id, {prefix:String})
LIMIT {limit:UInt32}
