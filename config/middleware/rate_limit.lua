-- Token bucket of one client, for several requests in order. KEYS[1] the bucket; ARGV: capacity,
-- seconds to fill it, the number of requests. Returns three numbers for each request: 1 if it is
-- allowed, else 0; the whole tokens left; the seconds until there is a token if it is refused, else
-- until the bucket is full.
local capacity, period, requests = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(bucket[1]) or capacity
local at = tonumber(bucket[2]) or now
local rate = capacity / period
-- If the clock has jumped back, no tokens are added and none are taken away.
tokens = math.min(capacity, tokens + math.max(0, now - at) * rate)
local answers = {}
for _ = 1, requests do
    local allowed = tokens >= 1
    if allowed then tokens = tokens - 1 end
    local wait = allowed and (capacity - tokens) / rate or (1 - tokens) / rate
    answers[#answers + 1] = allowed and 1 or 0
    answers[#answers + 1] = math.floor(tokens)
    answers[#answers + 1] = math.ceil(wait)
end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], period)
return answers
