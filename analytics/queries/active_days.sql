-- How many users came on so many days of a range.
SELECT days, count()
FROM
(
    SELECT user_hash, /*days*/ AS days
    FROM /*source*/
    WHERE /*range*/ AND /*segments*/
    GROUP BY user_hash
)
GROUP BY days
