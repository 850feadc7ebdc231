-- The users behind a number of a funnel.
SELECT user_hash
FROM
(
    /*users*/
)
WHERE /*reached*/ AND /*line*/
