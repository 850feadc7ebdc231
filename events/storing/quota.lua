-- Counts new events of a project's month. KEYS[1] the count; ARGV: events, the most of a month, and
-- 1 if the events are counted whether they fit or not. Returns {1, count} if they were counted,
-- {0, count} if they don't fit, and {-1, 0} if there is no count.
local count = tonumber(redis.call('GET', KEYS[1]))
if not count then return {-1, 0} end
local events = tonumber(ARGV[1])
if ARGV[3] ~= '1' and events > 0 and count + events > tonumber(ARGV[2]) then return {0, count} end
-- Events that came again after a kill are taken off twice; the count stays one.
return {1, redis.call('INCRBY', KEYS[1], math.max(events, -count))}
