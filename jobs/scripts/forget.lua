#!lua flags=allow-oom
-- Deletes the values and the sample of a job that has ended, and its caller is charged for them no more.
-- KEYS: the job's (prelude)   ARGV: job id
-- returns 1
redis.call('UNLINK', K.values, K.results, K.sample)
local bytes = values_bytes()
if redis.call('ZREM', CALLER_PREFIX .. caller() .. ':kept', JOB_ID .. ':' .. bytes) == 1 then count(caller(), 0, -bytes) end
return 1
