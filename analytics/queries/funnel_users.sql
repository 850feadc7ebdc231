-- The users who entered a funnel. `took` has the milliseconds from the entry to each step that the user
-- reached; the first is 0. The names between /* and */ are filled in by analytics.funnels.asking.
--
-- An event is one number, from its highest bits on: the millisecond plus 1, so that 0 is none (49), the
-- first step that it matches (4), whether it is in the range (1), and all steps that it matches (10).
-- So numbers are in the order of the user's events. All work is on whole arrays, and a user of a million
-- events costs as much as a thousand of a thousand. A row is large, so blocks have few of them.
WITH
    /*levels*/
SELECT user_hash, /*value of user*/ arraySlice([/*times*/], 1, /*level*/) AS took
FROM
(
    SELECT user_hash, /*value of entry*/ arraySort(groupArray(packed)) AS events
    FROM
    (
        WITH /*steps*/
        SELECT
            user_hash,
            /*value of event*/
            bitOr(
                bitShiftLeft(toUInt64(toUnixTimestamp64Milli(occurred_at) + 1), 15),
                bitShiftLeft(toUInt64(/*first step*/), 11)
                + bitShiftLeft(toUInt64(/*range*/), 10)
                + /*mask*/
            ) AS packed,
            bitAnd(packed, {entry:UInt64}) = {entry:UInt64} AS is_entry
        FROM events
        WHERE occurred_at >= {since:DateTime64(3, 'UTC')}
            AND occurred_at < addMilliseconds({until:DateTime64(3, 'UTC')}, {window:UInt64})
            AND /*not before*/ AND /*segments*/ AND /*any step*/
    )
    GROUP BY user_hash
    HAVING max(is_entry)
)
SETTINGS max_block_size = 4096
