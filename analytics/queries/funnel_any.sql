-- A level of a funnel in any order: for each event the newest entry since which so many steps came.
arrayMap(
    (event, entry, times) ->
        if(
            least(entry, times[/*step*/]) > 0
            AND bitShiftRight(event, 15) - least(entry, times[/*step*/]) <= {window:UInt64},
            least(entry, times[/*step*/]),
            0
        ),
    events,
    newest_entry,
    newest_times
) AS entries_/*step*/
