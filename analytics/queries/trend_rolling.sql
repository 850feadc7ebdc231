-- Users with an event in the last days, for each day of a range, as steps: how many more they become
-- on a day (negative: fewer). A user's days make intervals; each begins on the user's first day of it
-- and ends so many days after the last one. Day -1 counts the users of the range itself.
-- 1969-12-31, which zones west of Greenwich have, is day 65535 for ClickHouse. Here it is -1 too, but
-- no step is on it: the range begins later.
-- Only that row has the value, which may be long, and its mark; it is there for every place.
WITH /*top*/ AS top
SELECT
    /*place*/ AS place,
    if(at = -1, /*shown*/, '') AS shown,
    if(at = -1, hex(sipHash128(shown)), '') AS mark,
    at,
    sum(step)
FROM
(
    SELECT
        /*place and*/
        arrayDifference(days) AS gaps,
        arrayPushBack(arrayPopFront(gaps), {width:Int32}) AS following,
        arrayJoin(arrayConcat(
            [(toInt32(-1), toInt8(days[-1] >= {start_day:Int32}))],
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
        /*with value*/
        SELECT
            /*place_ and*/
            user_hash,
            groupUniqArray(toUInt16(/*day*/)) AS came,
            arraySort(arrayMap(day -> if(day = 65535, -1, toInt32(day)), came)) AS days
        FROM /*source*/
        WHERE /*range*/ AND /*segments*/
        GROUP BY /*place and*/ user_hash
    )
)
GROUP BY /*place and*/ at
