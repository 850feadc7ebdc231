-- Users with an event in the last days, for each day of a range, as steps: how many more they become
-- on a day (negative: fewer). A user's days make intervals; each begins on the user's first day of it
-- and ends so many days after the last one. Day -1 counts the users of the range itself.
SELECT place, shown, at, sum(step)
FROM
(
    SELECT
        place,
        shown,
        arrayJoin(arrayConcat(
            if(days[-1] >= {start_day:Int32}, [(toInt32(-1), toInt64(1))], []),
            arrayMap(
                i -> (greatest(days[i], {start_day:Int32}), toInt64(1)),
                arrayFilter(i -> i = 1 OR days[i] - days[i - 1] >= {width:Int32}, arrayEnumerate(days))
            ),
            arrayMap(
                i -> (days[i] + {width:Int32}, toInt64(-1)),
                arrayFilter(
                    i -> i = length(days) OR days[i + 1] - days[i] >= {width:Int32}, arrayEnumerate(days)
                )
            )
        )) AS change,
        change.1 AS at,
        change.2 AS step
    FROM
    (
        /*places*/
        SELECT
            /*place*/ AS place,
            /*shown*/ AS shown,
            user_hash,
            arraySort(groupUniqArray(toInt32(toUInt16(/*day*/)))) AS days
        FROM /*source*/
        WHERE /*range*/ AND /*segments*/
        GROUP BY place, user_hash
    )
)
GROUP BY place, shown, at
ORDER BY place, at
