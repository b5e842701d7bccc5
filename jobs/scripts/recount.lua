#!lua flags=allow-oom
-- Compares what is counted of a caller with what there is, and puts it right when told to. Jobs come first: see
-- repair.lua.
-- KEYS: the job's (prelude) of no job   ARGV: "" (no job), the caller, "apply" or "", ids of its jobs (JSON)
-- returns the findings, each as "<code> <detail>"
local name, apply = ARGV[2], ARGV[3] == 'apply'
local kept = CALLER_PREFIX .. name .. ':kept'
local jobs, bytes, ids, blobs, found = 0, 0, {}, {}, {}

local function repair(code, detail, ...)
  found[#found + 1] = code .. ' ' .. detail
  if apply then redis.call(...) end
end

for _, id in ipairs(cjson.decode(ARGV[4])) do ids[id] = true end
for _, id in ipairs(redis.call('ZRANGE', own(K.jobs, name), 0, -1)) do ids[id] = true end  -- submitted meanwhile
for id in pairs(ids) do
  local record = redis.pcall('HMGET', JOB_PREFIX .. id, 'state', 'charged', 'blobs')
  if record.err then record = {} end  -- another type: see audit.py
  local state, charged, uses = record[1], record[2], record[3]
  if state and tonumber(charged) and next(JOB_NEXT[state] or {}) then jobs, bytes = jobs + 1, bytes + charged end
  for _, blob in ipairs(decoded(uses) or {}) do blobs[blob] = true end
end
for _, raw in ipairs(redis.call('HVALS', own(KEYS[15], name))) do
  local record = decoded(raw)
  if record and record.blob then blobs[record.blob.id] = true end
end
for blob in pairs(blobs) do
  local owner, size = unpack(redis.call('HMGET', blob_key(blob), 'caller', 'bytes'))
  if owner == name then bytes = bytes + size end
end
for _, entry in ipairs(redis.call('ZRANGE', kept, 0, -1)) do
  local id, size = string.match(entry, '^(.*):(%d+)$')
  local over = tonumber(redis.call('ZSCORE', kept, entry)) <= now()  -- released with the next look
  if over or redis.call('EXISTS', JOB_PREFIX .. id .. ':results') == 1 then
    bytes = bytes + size
  else
    repair('kept_nothing', entry, 'ZREM', kept, entry)
  end
end
for counter, value in pairs({jobs = jobs, bytes = bytes}) do
  local counted = tonumber(redis.call('HGET', CALLER_PREFIX .. name, counter) or 0)
  if counted ~= value then
    local detail = 'caller ' .. name .. ' ' .. counter .. ': ' .. counted .. ' for ' .. value
    repair('miscounted', detail, 'HSET', CALLER_PREFIX .. name, counter, value)
  end
end
if name ~= '' and redis.call('SISMEMBER', CALLERS, name) == 0 then repair('unknown_caller', name, 'SADD', CALLERS, name) end
if name ~= '' and redis.call('EXISTS', own(K.ready, name)) == 1 and not redis.call('LPOS', TURNS, name) then
  repair('no_turn', name, 'RPUSH', TURNS, name)
end
return found
