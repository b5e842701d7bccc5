#!lua flags=allow-oom
-- Moves a job's next pending chunk to a supervisor's own list, sets its lease and draws its fencing token.
-- KEYS: the job's (prelude)   ARGV: job id, supervisor, lease seconds, the supervisor's incarnation
-- returns the chunk's record and the job's, or nil when there is nothing to lease
local state = redis.call('HGET', K.job, 'state')
local chunk_id = state and redis.call('LPOP', K.pending)
if not chunk_id then
  leave_rotation()
  return nil
end
if redis.call('LLEN', K.pending) == 0 then leave_rotation() end
local chunk = get_chunk(chunk_id)
if not chunk then return nil end  -- its record is lost: `repair` ends such a job
lease(chunk, ARGV[2], ARGV[4], draw_token(), tonumber(ARGV[3]))
redis.call('HSET', K.job, 'served_at', now())  -- for operators: see jobs/overview.py
if state == 'queued' then redis.call('HSET', K.job, 'state', 'started', 'started_at', now()) end
return {cjson.encode(chunk), redis.call('HGETALL', K.job)}
