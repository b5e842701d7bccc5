#!lua flags=allow-oom
-- The job whose follow-up is due first, which nobody else is given for a while.
-- KEYS: follow-ups
-- ARGV: seconds until somebody else may have it
-- returns its id, or nothing
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
if due then redis.call('ZADD', KEYS[1], now + ARGV[1], due) end
return due
