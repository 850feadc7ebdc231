-- The days on which some ids occur, in the whole history.
SELECT DISTINCT toString(event_id), toDate(occurred_at)
FROM events
WHERE event_id IN {ids:Array(UUID)}
