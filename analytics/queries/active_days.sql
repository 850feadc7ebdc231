-- How many users came on so many days of a range.
SELECT days, count()
FROM
(
    /*users*/
)
GROUP BY days
