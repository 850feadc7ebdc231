-- On how many days of a range each user came.
SELECT user_hash, /*days*/ AS days
FROM /*source*/
WHERE /*range*/ AND /*segments*/
GROUP BY user_hash
