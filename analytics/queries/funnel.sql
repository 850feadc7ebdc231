-- How many users reached each step of a funnel, and the median of the milliseconds that it took them.
SELECT countForEach(took), quantileExactInclusiveForEach(0.5)(took)
FROM
(
    /*users*/
)
