-- Users with an event in the last days, for each day of a range, as steps: how many more they become
-- on a day (negative: fewer). A user's days make intervals; each begins on the user's first day of it
-- and ends so many days after the last one. Day -1 counts the users of the range itself.
SELECT /*named place*/ at, sum(step)
FROM
(
    SELECT
        /*place and name*/
        arrayDifference(days) AS gaps,
        arrayPushBack(arrayPopFront(gaps), {width:Int32}) AS following,
        arrayJoin(arrayConcat(
            if(days[-1] >= {start_day:Int32}, [(toInt32(-1), toInt8(1))], []),
            arrayMap(
                day -> (greatest(day, {start_day:Int32}), toInt8(1)),
                arrayFilter(
                    (day, gap, i) -> i = 1 OR gap >= {width:Int32}, days, gaps, arrayEnumerate(days)
                )
            ),
            arrayMap(
                day -> (day + {width:Int32}, toInt8(-1)),
                arrayFilter((day, gap) -> gap >= {width:Int32}, days, following)
            )
        )) AS change,
        change.1 AS at,
        change.2 AS step
    FROM
    (
        /*places*/
        SELECT
            /*inner place*/
            user_hash,
            arraySort(groupUniqArray(toInt32(toUInt16(/*day*/)))) AS days
        FROM /*source*/
        WHERE /*range*/ AND /*segments*/
        GROUP BY /*place*/ user_hash
    )
)
GROUP BY /*place and name*/ at
