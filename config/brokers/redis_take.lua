-- Writes a message that was taken off a queue down as unacknowledged, and takes more of them off it
-- in the same step. What is no message of Celery's joins what was taken, to be set aside from there.
-- KEYS: the queue, the list of what was taken off it, unacked, unacked_index. ARGV: the message, its
-- tag, now in seconds, how many more and how many bytes at most. Answers the others,
-- each behind its tag.
local function note(item, tag)
    redis.call('ZADD', KEYS[4], ARGV[3], tag)
    redis.call('HSET', KEYS[3], tag, '[' .. item .. ', "", ' .. cjson.encode(KEYS[1]) .. ']')
end

note(ARGV[1], ARGV[2])
redis.call('LREM', KEYS[2], 1, ARGV[1])
local more, size = {}, #ARGV[1]
for _ = 1, tonumber(ARGV[4]) do
    if size >= tonumber(ARGV[5]) then break end
    local item = redis.call('RPOP', KEYS[1])
    if not item then break end
    size = size + #item
    local tag = tag_of(item)
    if tag then
        note(item, tag)
        more[#more + 1] = tag
        more[#more + 1] = item
    else
        redis.call('LPUSH', KEYS[2], item)
    end
end
return more
