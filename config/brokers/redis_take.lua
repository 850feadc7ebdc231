-- Records a message that was taken off a queue as unacknowledged, and takes more messages off the
-- queue in the same step. An item that is not a message of Celery goes to the list of what was
-- taken, and is set aside from there.
-- KEYS: the queue, the list of what was taken off it, unacked, unacked_index. ARGV: the message,
-- its tag, now in seconds, how many more messages and how many bytes to take at most. Returns the
-- other messages, each after its tag.
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
