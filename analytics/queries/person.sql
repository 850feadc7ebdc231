-- The event types of a user, most frequent first, and about all events of the user how many there are
-- and when the first and the last was. Moments are as in export_events.sql.
SELECT
    event_type,
    events,
    sum(events) OVER (),
    concat(replaceOne(toString(min(first) OVER ()), ' ', 'T'), 'Z'),
    concat(replaceOne(toString(max(last) OVER ()), ' ', 'T'), 'Z')
FROM
(
    SELECT event_type, count() AS events, min(occurred_at) AS first, max(occurred_at) AS last
    FROM events
    WHERE user_hash = sipHash64({user:String}) AND user_id = {user:String}
    GROUP BY event_type
)
ORDER BY events DESC, event_type
LIMIT {limit:UInt32}
