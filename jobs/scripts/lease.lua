#!lua flags=allow-oom
-- Moves the next pending chunk of a job, or of the next job of a caller, to a supervisor's own list, sets its lease and
-- draws its fencing token.
-- KEYS: the job's (prelude)
-- ARGV: job id ("" for the caller's next), supervisor, lease seconds, the supervisor's incarnation, the caller
-- returns the chunk's record, the job's, and its id, or nil when there is nothing to lease
local name = ARGV[5]
if name ~= '' and redis.call('EXISTS', K.ready) == 1 then take_turns('') end  -- older versions give it no turn
if JOB_ID == '' then
  local next_id = redis.call('LMOVE', own(K.ready, name), own(K.ready, name), 'LEFT', 'RIGHT')
  if not next_id then
    redis.call('LREM', TURNS, -1, name)
    return nil
  end
  work_on(next_id)
end
local state = redis.call('HGET', K.job, 'state')
local chunk_id = state and redis.call('LPOP', K.pending)
if not chunk_id then
  leave_rotation()
  if name ~= caller() then leave_list(name) end  -- where it was found, and does not belong
  return nil
end
if redis.call('LLEN', K.pending) == 0 then leave_rotation() end
local chunk = get_chunk(chunk_id)
if not chunk then return nil end  -- its record is lost: `repair` ends such a job
lease(chunk, ARGV[2], ARGV[4], draw_token(), tonumber(ARGV[3]))
if state == 'queued' then
  observe('queue_wait_seconds', math.max(0, now() - (tonumber(redis.call('HGET', K.job, 'created_at')) or now())))
end
local started = state == 'queued' and {'state', 'started', 'started_at', now()} or {}
redis.call('HSET', K.job, 'served_at', now(), unpack(started))  -- for operators: see jobs/overview.py
return {cjson.encode(chunk), redis.call('HGETALL', K.job), JOB_ID}
