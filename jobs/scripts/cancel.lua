#!lua flags=allow-oom
-- Ends a job by its caller's wish. The supervisor that works on it finds out when it renews its lease.
-- KEYS: the job's (prelude)   ARGV: job id, ttl seconds, the caller ("*" may end those of all)
-- returns the state the job is in now, or nil when the caller has no such job
if ARGV[3] ~= '*' and caller() ~= ARGV[3] then return nil end
end_job('cancelled', tonumber(ARGV[2]))
return redis.call('HGET', K.job, 'state')
