#!lua flags=allow-oom
-- Accounts for an attempt that did not succeed: the only way back into the queue, and the only way to fail.
-- KEYS: the job's (prelude)
-- ARGV: job id, chunk, token, attempt ("" when none was begun), ttl seconds,
--       what follows (JSON: action, counts, and chunks), the error ("" for none),
--       "expired" when only an expired lease may be settled
-- returns 1, or 0 when the token no longer holds the chunk (or its lease was renewed)

-- Every attempt of the chunk that is still on record, as a JSON array.
local function causes_of(chunk_id)
  local causes, mark = {}, '"chunk":"' .. chunk_id .. '"'
  for _, raw in ipairs(redis.call('LRANGE', K.attempts, -2000, -1)) do
    if string.find(raw, mark, 1, true) then
      local attempt = cjson.decode(raw)
      causes[#causes + 1] = cjson.encode({
        attempt = attempt.attempt, outcome = attempt.outcome, code = attempt.code, message = attempt.message,
        supervisor = attempt.supervisor,
      })
    end
  end
  return '[' .. table.concat(causes, ',') .. ']'
end

local chunk = held(ARGV[2], ARGV[3])
if not chunk then return 0 end
if ARGV[8] == 'expired' and tonumber(redis.call('ZSCORE', K.leases, member(chunk.id)) or 0) > now() then return 0 end
local follows = cjson.decode(ARGV[6])
drop_values(chunk)
if follows.counts ~= '' then
  chunk[follows.counts] = chunk[follows.counts] + 1
  redis.call('HINCRBY', K.job, follows.counts, 1)
end
if ARGV[4] ~= '' then record_attempt(ARGV[4]) end
if follows.action == 'fail' then
  release(chunk, 'dead')
  redis.call('HSET', K.job, 'error', ARGV[7], 'causes', causes_of(chunk.id))
  end_job('failed', tonumber(ARGV[5]))
elseif follows.action == 'halve' then
  release(chunk, 'done')
  redis.call('HINCRBY', K.job, 'chunks', #follows.chunks - 1)
  add_readers(chunk, #follows.chunks - 1)
  for i = #follows.chunks, 1, -1 do enqueue(follows.chunks[i], true) end
else
  release(chunk, 'pending')
  enqueue(chunk, true)
end
return 1
