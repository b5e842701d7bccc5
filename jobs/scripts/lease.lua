#!lua flags=allow-oom
-- Moves a job's next pending chunk to a supervisor's own list, sets its lease and draws its fencing token.
-- KEYS: the job's (prelude)   ARGV: job id, supervisor, lease seconds
-- returns the chunk's record, or nil when there is nothing to lease
local state = redis.call('HGET', K.job, 'state')
local chunk_id = state and redis.call('LPOP', K.pending)
if not chunk_id then
  redis.call('LREM', K.ready, 0, JOB_ID)
  return nil
end
if redis.call('LLEN', K.pending) == 0 then redis.call('LREM', K.ready, 0, JOB_ID) end
local chunk = get_chunk(chunk_id)
lease(chunk, ARGV[2], redis.call('INCR', K.token), tonumber(ARGV[3]))
if state == 'queued' then redis.call('HSET', K.job, 'state', 'started', 'started_at', now()) end
return cjson.encode(chunk)
