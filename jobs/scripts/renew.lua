#!lua flags=allow-oom
-- Renews a lease.
-- KEYS: the job's (prelude)   ARGV: job id, chunk, token, lease seconds
-- returns 1, or 0 when the token no longer holds the chunk
if not held(ARGV[2], ARGV[3]) then return 0 end
redis.call('ZADD', K.leases, now() + tonumber(ARGV[4]), member(ARGV[2]))
return 1
