-- Records as unacknowledged the messages that a consumer took off a queue and did not record
-- itself. From then on such a message is like any other whose consumer has vanished: it is put back
-- after the visibility timeout. A consumer that was only slow writes the same entries again. An
-- item that is not a message of Celery is set aside for a person.
-- KEYS: the list of what was taken, unacked, unacked_index. ARGV: the queue, now in seconds.
local adopted = 0
for _, item in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
    local tag = tag_of(item)
    if tag then
        redis.call('ZADD', KEYS[3], 'NX', ARGV[2], tag)
        redis.call('HSETNX', KEYS[2], tag, '[' .. item .. ', "", ' .. cjson.encode(ARGV[1]) .. ']')
        adopted = adopted + 1
    else
        redis.call('RPUSH', KEYS[1] .. '.unreadable', item)
    end
    redis.call('LREM', KEYS[1], 1, item)
end
return adopted
