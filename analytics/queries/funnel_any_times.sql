-- For each event: the newest time of each step until then, newest first, and the newest entry. See
-- funnel_any.sql.
arrayFill(it -> it > 0, arrayMap(event -> if(bitTest(event, 10), bitShiftRight(event, 15), 0), events)) AS newest_entry,
arrayMap((/*names*/) -> arrayReverseSort([/*names*/]), /*times of steps*/) AS newest_times
