#!lua flags=allow-oom
-- Looks for contradictions between a job's record, its chunks and the lists, and repairs them when told to.
-- KEYS: the job's (prelude)
-- ARGV: job id, ttl seconds, "apply" or "", what was seen elsewhere (JSON: owned = [[owner, chunk], ...] in the
--       supervisors' lists, leases = [chunk, ...], silent = {owner: true, ...} without a heartbeat,
--       ready = [caller, ...] in whose rotation it is)
-- returns the findings, each as "<code> <detail>"
local ttl, apply, seen = tonumber(ARGV[2]), ARGV[3] == 'apply', cjson.decode(ARGV[4])
local state = redis.call('HGET', K.job, 'state')
local READY = own(K.ready, caller())
local PARTS = {K.chunks, K.pending, K.attempts, K.values, K.results, K.partials, K.sample}
local found, chunks = {}, {}

local function repair(code, detail, ...)
  found[#found + 1] = code .. ' ' .. detail
  if apply then redis.call(...) end
end

local function entries(key, value) return #redis.call('LPOS', key, value, 'COUNT', 0) end

-- Entries in supervisors' lists and among the leases that no leased chunk stands behind.
local function check_holders()
  for _, entry in ipairs(seen.owned) do
    local owner, chunk = entry[1], chunks[entry[2]]
    local list = leased_key(owner)
    local count, right = entries(list, member(entry[2])), chunk and chunk.state == 'leased' and chunk.owner == owner
    if count > (right and 1 or 0) then repair('not_held', owner .. ':' .. entry[2], 'LREM', list, right and 1 or 0, member(entry[2])) end
  end
  for _, id in ipairs(seen.leases) do
    local chunk = chunks[id]
    if redis.call('ZSCORE', K.leases, member(id)) and not (chunk and chunk.state == 'leased') then
      repair('lease_of_nothing', id, 'ZREM', K.leases, member(id))
    end
  end
end

-- In rotation of callers whose it is not; its own list is looked at by whoever knows whether it waits.
local function check_rotations()
  for _, name in ipairs(seen.ready) do
    if name ~= caller() then repair('not_ready', name .. ':' .. JOB_ID, 'LREM', own(K.ready, name), 0, JOB_ID) end
  end
end

local function check_orphans()
  for _, key in ipairs({K.job, unpack(PARTS)}) do
    if redis.call('EXISTS', key) == 1 then repair('no_record', key, 'UNLINK', key) end
  end
  if entries(READY, JOB_ID) > 0 then repair('not_ready', JOB_ID, 'LREM', READY, 0, JOB_ID) end
end

local function check_ended()
  if entries(READY, JOB_ID) > 0 then repair('not_ready', JOB_ID, 'LREM', READY, 0, JOB_ID) end
  for id, chunk in pairs(chunks) do
    if chunk.state == 'pending' or chunk.state == 'leased' then
      found[#found + 1] = 'unburied ' .. id
      if apply then bury_chunks() end
    end
  end
  local surplus = state == 'finished' and {K.pending, K.partials} or {K.pending, K.partials, K.values, K.results, K.sample}
  for _, key in ipairs(surplus) do
    if redis.call('EXISTS', key) == 1 then repair('surplus', key, 'UNLINK', key) end
  end
  for _, key in ipairs({K.chunks, K.attempts, K.values, K.results, K.sample}) do
    if redis.call('TTL', key) == -1 then repair('no_ttl', key, 'EXPIRE', key, ttl) end
  end
  if redis.call('TTL', K.job) == -1 then repair('no_ttl', K.job, 'EXPIRE', K.job, 2 * ttl) end
  for _, blob in ipairs(cjson.decode(redis.call('HGET', K.job, 'blobs') or '[]')) do
    local key = blob_key(blob)
    if redis.call('EXISTS', key) == 1 and not is_shared(key) then repair('surplus', key, 'UNLINK', key) end
  end
end

local function check_pending()
  local listed = {}
  for _, id in ipairs(redis.call('LRANGE', K.pending, 0, -1)) do
    local right = chunks[id] and chunks[id].state == 'pending' and not listed[id]
    if not right then repair('not_pending', id, 'LREM', K.pending, listed[id] and -1 or 0, id) end
    listed[id] = true
  end
  for id, chunk in pairs(chunks) do
    if chunk.state == 'pending' and not listed[id] then repair('not_queued', id, 'RPUSH', K.pending, id) end
  end
end

-- Each is given back by a rescue, which counts: here only the deadline is put right.
local function check_leases()
  for id, chunk in pairs(chunks) do
    if chunk.state == 'leased' then
      local deadline = tonumber(redis.call('ZSCORE', K.leases, member(id)) or 'nan')
      if entries(leased_key(chunk.owner), member(id)) == 0 then
        repair('not_in_list', chunk.owner .. ':' .. id, 'RPUSH', leased_key(chunk.owner), member(id))
      end
      if deadline ~= deadline then
        repair('no_deadline', id, 'ZADD', K.leases, now(), member(id))
      elseif seen.silent[chunk.owner] and deadline > now() then
        repair('foreign_lease', chunk.owner .. ':' .. id, 'ZADD', K.leases, now(), member(id))
      end
    end
  end
end

local function uploaded()
  local bytes = 0
  for _, part in pairs(cjson.decode(redis.call('HGET', K.job, 'inputs'))) do
    if part.blob and not part.registered then bytes = bytes + part.blob.size end
  end
  return bytes
end

local function check_counts()
  local rows, done, parts, result = 0, 0, 0, {}
  for _, entry in ipairs(redis.call('ZRANGE', K.results, 0, -1)) do
    local id = string.match(entry, '^(.*):')
    local first, last = string.match(id, '^(%d+)-(%d+)$')
    rows, done, result[id] = rows + last - first + 1, done + 1, true
  end
  for id, chunk in pairs(chunks) do
    if chunk.kind == 'rows' and (chunk.state ~= 'done' or result[id]) then parts = parts + 1 end
  end
  if redis.call('HEXISTS', K.job, 'rows') == 0 then return end
  local counters = {rows_done = rows, chunks_done = done, chunks = parts}
  if redis.call('HEXISTS', K.job, 'charged') == 1 then
    local sampled = 0
    for _, id in ipairs(redis.call('HKEYS', K.sample)) do sampled = sampled + redis.call('HSTRLEN', K.sample, id) end
    counters.sample_bytes = sampled
    counters.charged = uploaded() + rows * (redis.call('HGET', K.job, 'row_bytes') or 0) + sampled
  end
  for name, value in pairs(counters) do
    local kept = tonumber(redis.call('HGET', K.job, name) or 0)
    if kept ~= value then repair('miscounted', name .. ': ' .. kept .. ' for ' .. value, 'HSET', K.job, name, value) end
  end
  return done == parts and rows == tonumber(redis.call('HGET', K.job, 'rows'))
end

local function check_living()
  check_pending()
  check_leases()
  local all_done = check_counts()
  local alive = false
  for _, chunk in pairs(chunks) do alive = alive or chunk.state == 'pending' or chunk.state == 'leased' end
  if not alive and all_done then
    found[#found + 1] = 'not_closed ' .. JOB_ID
    if apply then enqueue({id = 'close', kind = 'close', state = 'pending', attempts = 0, crashes = 0, token = 0, owner = ''}) end
  elseif not alive then
    found[#found + 1] = 'stuck ' .. JOB_ID
    if apply then
      redis.call('HSET', K.job, 'error', '{"code":"store_damaged","message":"Chunks of this job were lost in the store; submit it again."}')
      leave_rotation()  -- which `end_job` only does for chunks that wait
      end_job('failed', ttl)
      return
    end
  end
  local waits, rotates = redis.call('LLEN', K.pending) > 0, entries(READY, JOB_ID)
  if waits and rotates == 0 then repair('not_in_rotation', JOB_ID, 'RPUSH', READY, JOB_ID) end
  if rotates > (waits and 1 or 0) then repair('not_ready', JOB_ID, 'LREM', READY, rotates - (waits and 1 or 0), JOB_ID) end
  for _, key in ipairs({K.job, unpack(PARTS)}) do
    if redis.call('TTL', key) >= 0 then repair('expires', key, 'PERSIST', key) end
  end
  for _, blob in ipairs(cjson.decode(redis.call('HGET', K.job, 'blobs'))) do
    local key = blob_key(blob)
    if redis.call('TTL', key) >= 0 then repair('expires', key, 'PERSIST', key) end
  end
  if not redis.call('ZSCORE', own(K.jobs, caller()), JOB_ID) then
    repair('not_listed', JOB_ID, 'ZADD', own(K.jobs, caller()), redis.call('HGET', K.job, 'created_at'), JOB_ID)
  end
end

local records = state and redis.call('HGETALL', K.chunks) or {}
for i = 1, #records, 2 do
  local chunk = decoded(records[i + 1])
  if is_chunk(chunk, records[i]) then
    chunks[records[i]] = chunk
  else
    repair('unreadable', 'chunk ' .. records[i], 'HDEL', K.chunks, records[i])
  end
end
check_holders()
check_rotations()
if not state then
  check_orphans()
elseif next(JOB_NEXT[state]) == nil then
  check_ended()
else
  check_living()
end
return found
