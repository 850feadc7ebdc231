-- The users who came on so many days of a range; 0 is any number.
SELECT user_hash
FROM
(
    /*users*/
)
WHERE {days:UInt32} IN (0, days)
