#!lua flags=allow-oom
-- Takes some of the requests that a caller may send in a minute.
-- KEYS: what has been taken in that minute   ARGV: the most of them, how many are wanted, seconds until it is forgotten
-- returns how many there were to take
local taken = tonumber(redis.call('GET', KEYS[1]) or 0)
local count = math.min(tonumber(ARGV[2]), tonumber(ARGV[1]) - taken)
if count <= 0 then return 0 end
redis.call('SET', KEYS[1], taken + count, 'EX', ARGV[3])
return count
