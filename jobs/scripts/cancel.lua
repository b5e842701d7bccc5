#!lua flags=allow-oom
-- Ends a job by its caller's wish. The supervisor that works on it finds out when it renews its lease.
-- KEYS: the job's (prelude)   ARGV: job id, ttl seconds
-- returns the state the job is in now, or nil when there is no such job
end_job('cancelled', tonumber(ARGV[2]))
return redis.call('HGET', K.job, 'state')
