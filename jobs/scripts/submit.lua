#!lua
-- Writes a job and its first chunk, once for an idempotency key.
-- KEYS: the job's (prelude), then the idempotency key where there is one: a user of the store may be held to shap:*
-- ARGV: job id, fingerprint ("rehearsal": nothing is to stay, see jobs/rehearsal.py), ttl seconds, chunk record,
--       the caller, the most jobs and bytes that it may have (0: any), bytes of the uploads, number of blobs,
--       the blobs' keys, then the record's fields and values
-- returns {"created", id} | {"exists", id} | {"mismatch", id} | {"gone", blob key} | {"jobs", ""} | {"bytes", ""}: the
-- quota that is used up
local idempotency, fingerprint, ttl = KEYS[15], ARGV[2], tonumber(ARGV[3])
local name, most_jobs, most_bytes, bytes = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
if redis.call('EXISTS', K.job) == 1 then return {'created', JOB_ID} end  -- sent again, because the reply was lost
if idempotency then
  local known = redis.call('GET', idempotency)
  if known then
    local print, id = string.match(known, '^(%S+) (%S+)$')
    return {print == fingerprint and 'exists' or 'mismatch', id}
  end
end
local last = 9 + tonumber(ARGV[9])
for i = 10, last do
  if redis.call('EXISTS', ARGV[i]) == 0 then return {'gone', ARGV[i]} end
end
local has_jobs, has_bytes = account(name)
if most_jobs > 0 and has_jobs >= most_jobs then return {'jobs', ''} end
if most_bytes > 0 and has_bytes + bytes > most_bytes then return {'bytes', ''} end
for i = 10, last do
  if is_shared(ARGV[i]) then redis.call('HINCRBY', ARGV[i], 'users', 1) else redis.call('PERSIST', ARGV[i]) end
end
local created, jobs = now(), own(K.jobs, name)
redis.call('HSET', K.job, 'state', 'queued', 'created_at', created, 'charged', bytes, unpack(ARGV, last + 1))
if name ~= '' then
  redis.call('HSET', K.job, 'caller', name)
  redis.call('SADD', CALLERS, name)
end
redis.call('ZADD', jobs, created, JOB_ID)
redis.call('ZREMRANGEBYSCORE', jobs, '-inf', created - 30 * 86400)
if idempotency then redis.call('SET', idempotency, fingerprint .. ' ' .. JOB_ID, 'EX', ttl) end
enqueue(cjson.decode(ARGV[4]))
if fingerprint == 'rehearsal' then
  leave_rotation()
  redis.call('ZREM', jobs, JOB_ID)
  redis.call('UNLINK', K.job, K.chunks, K.pending, idempotency, ARGV[10])
else
  count(name, 1, bytes)
end
return {'created', JOB_ID}
