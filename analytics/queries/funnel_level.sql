-- A level of a funnel in order: for each event that can be this step, the newest entry from which it is
-- reached. That is the entry of the last event before it that can be the step before; where steps must
-- follow directly, only the event just before counts.
arrayPushFront(arrayPopBack(/*newest*/), 0) AS newest_/*before*/,
arrayMap(
    (event, entry) ->
        if(bitTest(event, /*bit*/) AND entry > 0 AND bitShiftRight(event, 15) - entry <= {window:UInt64}, entry, 0),
    events,
    newest_/*before*/
) AS entries_/*step*/
