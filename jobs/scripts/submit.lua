#!lua
-- Writes a job and its first chunk, once for an idempotency key.
-- KEYS: the job's (prelude), then the idempotency key where there is one: a user of the store may be held to shap:*
-- ARGV: job id, fingerprint ("rehearsal": nothing is to stay, see jobs/rehearsal.py), ttl seconds, chunk record, number of blobs, the blobs' keys, then the record's fields and values
-- returns {"created", id} | {"exists", id} | {"mismatch", id} | {"gone", blob key}
local idempotency, fingerprint, ttl = KEYS[14], ARGV[2], tonumber(ARGV[3])
if redis.call('EXISTS', K.job) == 1 then return {'created', JOB_ID} end  -- sent again, because the reply was lost
if idempotency then
  local known = redis.call('GET', idempotency)
  if known then
    local print, id = string.match(known, '^(%S+) (%S+)$')
    return {print == fingerprint and 'exists' or 'mismatch', id}
  end
end
local blobs = tonumber(ARGV[5])
for i = 6, 5 + blobs do
  if redis.call('EXISTS', ARGV[i]) == 0 then return {'gone', ARGV[i]} end
end
for i = 6, 5 + blobs do
  if is_shared(ARGV[i]) then redis.call('HINCRBY', ARGV[i], 'users', 1) else redis.call('PERSIST', ARGV[i]) end
end
for i = 6 + blobs, #ARGV, 2 do redis.call('HSET', K.job, ARGV[i], ARGV[i + 1]) end
local created = now()
redis.call('HSET', K.job, 'state', 'queued', 'created_at', created)
redis.call('ZADD', K.jobs, created, JOB_ID)
redis.call('ZREMRANGEBYSCORE', K.jobs, '-inf', created - 30 * 86400)
if idempotency then redis.call('SET', idempotency, fingerprint .. ' ' .. JOB_ID, 'EX', ttl) end
enqueue(cjson.decode(ARGV[4]))
if fingerprint == 'rehearsal' then
  leave_rotation()
  redis.call('ZREM', K.jobs, JOB_ID)
  redis.call('UNLINK', K.job, K.chunks, K.pending, idempotency, ARGV[6])
end
return {'created', JOB_ID}
