-- Token bucket of one client. KEYS[1] the bucket; ARGV: capacity, seconds to fill it, cost.
-- Returns {allowed, whole tokens left, seconds}: seconds until `cost` tokens are there if it is
-- refused, else until the bucket is full.
local capacity, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local cost = tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(bucket[1]) or capacity
local at = tonumber(bucket[2]) or now
local rate = capacity / period
-- If the clock has jumped back, no tokens are added and none are taken away.
tokens = math.min(capacity, tokens + math.max(0, now - at) * rate)
local allowed = tokens >= cost
if allowed then tokens = tokens - cost end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], period)
local wait = allowed and (capacity - tokens) / rate or (cost - tokens) / rate
return {allowed and 1 or 0, math.floor(tokens), math.ceil(wait)}
