-- The first level of a funnel in order: for each event that enters it, its own time.
arrayMap(
    event -> if(bitAnd(event, {entry:UInt64}) = {entry:UInt64}, bitShiftRight(event, 15), 0), events
) AS entries_1
