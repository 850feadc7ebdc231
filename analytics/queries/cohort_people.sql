-- The users of one period of one cohort, which is the only one here.
SELECT user_hash
FROM (/*users*/)
WHERE bitTest(came, {period:UInt8})
