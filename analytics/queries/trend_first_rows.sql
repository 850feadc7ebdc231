-- Everybody who may be new in a range: whose first event of all, or of an insert, is in it.
SELECT user_hash
FROM (SELECT user_hash, first_at AS occurred_at FROM users)
WHERE /*range*/
