#!lua flags=allow-oom
-- Accounts for an attempt that did not succeed: the only way back into the queue, and the only way to fail.
-- KEYS: the job's (prelude)
-- ARGV: job id, chunk, token, attempt, ttl seconds, what follows (JSON: action, counts, and chunks or error),
--       "expired" when only an expired lease may be settled
-- returns 1, or 0 when the token no longer holds the chunk (or its lease was renewed)
local chunk = held(ARGV[2], ARGV[3])
if not chunk then return 0 end
if ARGV[7] == 'expired' and tonumber(redis.call('ZSCORE', K.leases, member(chunk.id)) or 0) > now() then return 0 end
local follows = cjson.decode(ARGV[6])
drop_values(chunk)
if follows.counts ~= '' then
  chunk[follows.counts] = chunk[follows.counts] + 1
  redis.call('HINCRBY', K.job, follows.counts, 1)
end
record_attempt(ARGV[4])
if follows.action == 'fail' then
  release(chunk, 'dead')
  redis.call('HSET', K.job, 'error', cjson.encode(follows.error))
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
