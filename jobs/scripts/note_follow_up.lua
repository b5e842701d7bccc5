#!lua flags=allow-oom
-- How an attempt at a follow-up went.
-- KEYS: follow-ups, the job
-- ARGV: job id, Delivery as JSON, seconds until the next attempt, or empty
if redis.call('EXISTS', KEYS[2]) == 0 then return redis.call('ZREM', KEYS[1], ARGV[1]) end
redis.call('HSET', KEYS[2], 'delivery', ARGV[2])
if ARGV[3] == '' then return redis.call('ZREM', KEYS[1], ARGV[1]) end
local time = redis.call('TIME')
return redis.call('ZADD', KEYS[1], tonumber(time[1]) + tonumber(time[2]) / 1000000 + ARGV[3], ARGV[1])
