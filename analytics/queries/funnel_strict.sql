-- As funnel_ordered.sql, but the event before must be the step before.
arrayPushFront(arrayPopBack(entries_/*before*/), 0) AS newest_/*before*/,
arrayMap(
    (event, entry) ->
        if(bitTest(event, /*bit*/) AND entry > 0 AND bitShiftRight(event, 15) - entry <= {window:UInt64}, entry, 0),
    events,
    newest_/*before*/
) AS entries_/*step*/
