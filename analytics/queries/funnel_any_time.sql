-- The newest time of one step until each event.
arrayFill(it -> it > 0, arrayMap(event -> if(bitTest(event, /*bit*/), bitShiftRight(event, 15), 0), events))
