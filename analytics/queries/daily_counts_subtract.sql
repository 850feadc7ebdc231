-- Subtracts from the daily counts. An unsigned sum wraps around, so adding 2^64 - n subtracts n. No
-- deduplication, because two equal corrections are not a repeated correction.
INSERT INTO daily_events SETTINGS insert_deduplicate = 0
SELECT day, event_type, toUInt64(-surplus)
FROM system.one
ARRAY JOIN
    {days:Array(Date)} AS day,
    {types:Array(String)} AS event_type,
    {counts:Array(Int64)} AS surplus
