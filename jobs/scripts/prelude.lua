-- Comes before every script on a job: names for its KEYS, the transition tables, and the steps that scripts share.
-- JOB_NEXT and CHUNK_NEXT are written in front of this from jobs/states.py, PIECE_BYTES from jobs/protocol.py, BOUNDS
-- from jobs/histograms.py, and the keys that are not a job's, or what they begin with, from jobs/keys.py.
local K = {
  job = KEYS[1], chunks = KEYS[2], pending = KEYS[3], attempts = KEYS[4], values = KEYS[5], results = KEYS[6],
  partials = KEYS[7], ready = KEYS[8], leases = KEYS[9], token = KEYS[10], jobs = KEYS[11], outcomes = KEYS[12],
  failures = KEYS[13], sample = KEYS[14],
}
local JOB_ID = ARGV[1]
local KEPT_FAILURES, KEPT_ATTEMPTS, EXPIRED_AT_ONCE = 50, 10000, 1000

-- One moment for the whole script.
local clock
local function now()
  if not clock then
    local time = redis.call('TIME')
    clock = tonumber(time[1]) + tonumber(time[2]) / 1000000
  end
  return clock
end

-- From here on the script is about this job.
local function work_on(job_id)
  JOB_ID, K.job = job_id, JOB_PREFIX .. job_id
  for _, part in ipairs({'chunks', 'pending', 'attempts', 'values', 'results', 'partials', 'sample'}) do
    K[part] = K.job .. ':' .. part
  end
end

local function leased_key(owner) return SUPERVISOR_PREFIX .. owner .. ':leased' end
local function member(chunk_id) return JOB_ID .. '/' .. chunk_id end

-- What JSON says; nil where it says nothing: a record that was damaged must stop nobody who has to do with others.
local function decoded(raw)
  local fine, value = pcall(cjson.decode, raw or '')
  if fine and type(value) == 'table' then return value end
  return nil
end

local function is_chunk(chunk, id)
  return chunk and chunk.id == id and type(chunk.owner) == 'string' and type(chunk.token) == 'number'
    and type(chunk.attempts) == 'number' and type(chunk.crashes) == 'number' and CHUNK_NEXT[chunk.state] ~= nil
end

local function get_chunk(chunk_id)
  local chunk = decoded(redis.call('HGET', K.chunks, chunk_id))
  return is_chunk(chunk, chunk_id) and chunk or nil
end

local function put_chunk(chunk) redis.call('HSET', K.chunks, chunk.id, cjson.encode(chunk)) end

local function move_chunk(chunk, to)
  if not CHUNK_NEXT[chunk.state][to] then
    error('chunk ' .. chunk.id .. ' cannot go from ' .. chunk.state .. ' to ' .. to)
  end
  chunk.state = to
end

-- The chunk, if this token still holds it. A job whose record is lost holds nothing: writing would leave keys behind.
local function held(chunk_id, token)
  if redis.call('HGET', K.job, 'state') ~= 'started' then return nil end
  local chunk = get_chunk(chunk_id)
  if chunk and chunk.state == 'leased' and chunk.token == tonumber(token) then return chunk end
  return nil
end

-- Never drawn twice, not even by a store that has lost its last second, or everything: tokens follow the clock, in
-- tenths of milliseconds (cjson writes 14 digits), and each is larger than the one before.
local function draw_token()
  local token = math.max(tonumber(redis.call('GET', K.token) or 0) + 1, math.floor(now() * 10000))
  redis.call('SET', K.token, string.format('%.0f', token))
  return token
end

local function lease(chunk, owner, incarnation, token, seconds)
  move_chunk(chunk, 'leased')
  chunk.owner, chunk.incarnation, chunk.token = owner, incarnation, token
  put_chunk(chunk)
  redis.call('RPUSH', leased_key(owner), member(chunk.id))
  redis.call('ZADD', K.leases, now() + seconds, member(chunk.id))
end

local function release(chunk, to)
  redis.call('LREM', leased_key(chunk.owner), 1, member(chunk.id))
  redis.call('ZREM', K.leases, member(chunk.id))
  move_chunk(chunk, to)
  chunk.owner, chunk.incarnation = '', ''
  put_chunk(chunk)
end

-- Whose job it is: "" is the unnamed caller, and nobody else was there when older versions wrote it.
local known_caller
local function caller()
  known_caller = known_caller or redis.call('HGET', K.job, 'caller') or ''
  return known_caller
end

-- A caller's own ready list, or index of jobs, or models.
local function own(key, name) return name == '' and key or key .. ':' .. name end

-- Slots go round the callers first, then round their jobs: each caller with ready jobs is in `turns` once.
local function take_turns(name)
  if not redis.call('LPOS', TURNS, name) then redis.call('RPUSH', TURNS, name) end
end

-- A job is in rotation once at most, and was last seen at the end of the list: look from there. The same with callers.
local function leave_list(name)
  local ready = own(K.ready, name)
  redis.call('LREM', ready, -1, JOB_ID)
  if redis.call('EXISTS', ready) == 0 then redis.call('LREM', TURNS, -1, name) end
end

local function leave_rotation() leave_list(caller()) end

-- Into the queue; the job goes back into rotation with its first pending chunk.
local function enqueue(chunk, front)
  put_chunk(chunk)
  if redis.call('LLEN', K.pending) == 0 and redis.call('RPUSH', own(K.ready, caller()), JOB_ID) == 1 then
    take_turns(caller())
  end
  redis.call(front and 'LPUSH' or 'RPUSH', K.pending, chunk.id)
end

-- What a caller has: jobs that have not ended, and bytes of their uploads and values, of kept results and of models.
local function count(name, jobs, bytes)
  local key = CALLER_PREFIX .. name
  if jobs ~= 0 then redis.call('HINCRBY', key, 'jobs', jobs) end
  local left = redis.call('HINCRBY', key, 'bytes', 0 + bytes)  -- Lua's -0 is no integer of Redis's
  if left == 0 and tonumber(redis.call('HGET', key, 'jobs') or 0) == 0 then redis.call('DEL', key) end
end

-- `charged` of a living job are its bytes so far. A job that an older version wrote has none, and is not counted.
local function charge(rows, sample_bytes)
  local charged, row_bytes = unpack(redis.call('HMGET', K.job, 'charged', 'row_bytes'))
  if not charged or not row_bytes then return end
  local bytes = rows * row_bytes + sample_bytes
  redis.call('HSET', K.job, 'charged', charged + bytes)
  count(caller(), 0, bytes)
end

-- Of what it has computed, and of its sample; and `charged`, unless an older version wrote it.
local function values_bytes()
  local rows, row_bytes, sample_bytes, charged =
    unpack(redis.call('HMGET', K.job, 'rows_done', 'row_bytes', 'sample_bytes', 'charged'))
  return (rows or 0) * (row_bytes or 0) + (sample_bytes or 0), charged
end

-- A job that ends: its uploads are gone, and its values too, unless they are kept until their TTL is over.
local function discharge(state, ttl)
  local kept, charged = values_bytes()
  if not charged then return end
  if state ~= 'finished' then kept = 0 end
  count(caller(), -1, kept - charged)
  if kept > 0 then redis.call('ZADD', CALLER_PREFIX .. caller() .. ':kept', now() + ttl, JOB_ID .. ':' .. kept) end
end

-- What a caller has now: results whose TTL is over are found here.
local function account(name)
  local kept = CALLER_PREFIX .. name .. ':kept'
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', kept, '-inf', now(), 'LIMIT', 0, EXPIRED_AT_ONCE)) do
    redis.call('ZREM', kept, entry)
    count(name, 0, -tonumber(string.match(entry, ':(%d+)$')))
  end
  local jobs, bytes = unpack(redis.call('HMGET', CALLER_PREFIX .. name, 'jobs', 'bytes'))
  return tonumber(jobs or 0), tonumber(bytes or 0)
end

-- One observation of a histogram.
local function observe(name, value)
  local bucket = '+Inf'
  for _, bound in ipairs(BOUNDS[name]) do
    if value <= tonumber(bound) then
      bucket = bound
      break
    end
  end
  redis.call('HINCRBY', HISTOGRAMS, name .. ':' .. bucket, 1)
  redis.call('HINCRBYFLOAT', HISTOGRAMS, name .. ':sum', value)
end

local function observe_attempt(evidence)
  if evidence.seconds then observe('chunk_seconds', evidence.seconds) end
  if evidence.peak_bytes and (evidence.cap_bytes or 0) > 0 then
    observe('peak_cap_ratio', evidence.peak_bytes / evidence.cap_bytes)
  end
end

local function record_attempt(raw)
  local attempt = cjson.decode(raw)
  redis.call('RPUSH', K.attempts, raw)
  redis.call('LTRIM', K.attempts, -KEPT_ATTEMPTS, -1)
  redis.call('HINCRBY', K.outcomes, attempt.outcome, 1)
  if attempt.outcome ~= 'succeeded' then
    redis.call('LPUSH', K.failures, '{"job_id":"' .. JOB_ID .. '",' .. string.sub(raw, 2))  -- cjson would alter [] and digits
    redis.call('LTRIM', K.failures, 0, KEPT_FAILURES - 1)
  end
  if attempt.evidence then observe_attempt(attempt.evidence) end
  local peak = attempt.evidence and attempt.evidence.peak_bytes
  if peak and peak > tonumber(redis.call('HGET', K.job, 'peak_bytes') or 0) then
    redis.call('HSET', K.job, 'peak_bytes', peak)
  end
end

local function drop_values(chunk)
  local piece = 0
  redis.call('HDEL', K.values, chunk.id .. ':' .. chunk.token .. ':ids')
  while redis.call('HDEL', K.values, chunk.id .. ':' .. chunk.token .. ':' .. piece) == 1 do piece = piece + 1 end
end

-- Chunks that are still pending or leased become dead and leave their lists. Those that are done are only skimmed.
local function bury_chunks()
  for _, raw in ipairs(redis.call('HVALS', K.chunks)) do
    local chunk = not string.find(raw, '"state":"done"', 1, true) and decoded(raw)
    if not is_chunk(chunk, chunk and chunk.id) then chunk = nil end
    if chunk and chunk.state == 'leased' then
      drop_values(chunk)
      release(chunk, 'dead')
    elseif chunk and chunk.state == 'pending' then
      move_chunk(chunk, 'dead')
      put_chunk(chunk)
    end
  end
end

local function blob_key(id) return BLOB_PREFIX .. id end

-- The blob of the job's data: its pieces, and "readers:<piece>", how many unfinished chunks have rows in that piece.
local function data_blob() return cjson.decode(redis.call('HGET', K.job, 'inputs')).data.blob.id end

-- Calls `visit` with the number of each piece of the data in which a chunk's rows lie.
local function each_piece(chunk, visit)
  for piece = math.floor(chunk.start / PIECE_BYTES), math.floor((chunk['end'] - 1) / PIECE_BYTES) do visit(piece) end
end

-- Where every chunk reads all of the data, as with columns one after the other, it goes with its job.
local function count_readers(chunks)
  if #chunks > 1 and chunks[1].start == chunks[2].start then return end
  local data, readers = blob_key(data_blob()), {}
  if redis.call('EXISTS', data) == 0 then return end
  for _, chunk in ipairs(chunks) do
    each_piece(chunk, function(piece) readers[piece] = (readers[piece] or 0) + 1 end)
  end
  for piece, count in pairs(readers) do redis.call('HSET', data, 'readers:' .. piece, count) end
end

-- The halves of a chunk all read what it read.
local function add_readers(chunk, count)
  local data = blob_key(data_blob())
  each_piece(chunk, function(piece)
    if redis.call('HEXISTS', data, 'readers:' .. piece) == 1 then
      redis.call('HINCRBY', data, 'readers:' .. piece, count)
    end
  end)
end

-- Deletes the pieces that this chunk was the last to need; returns the blob and their numbers.
local function free_pieces(chunk)
  local blob = data_blob()
  local data, freed = blob_key(blob), {blob}
  each_piece(chunk, function(piece)
    local readers = 'readers:' .. piece
    if redis.call('HEXISTS', data, readers) == 1 and redis.call('HINCRBY', data, readers, -1) == 0 then
      redis.call('HDEL', data, readers, piece)
      freed[#freed + 1] = piece
    end
  end)
  return freed
end

-- A registered model's bytes go with its name and the last job that uses them; an upload's go with its job.
local function is_shared(blob)
  local found = redis.call('HMGET', blob, 'registered', 'users')
  return (found[1] or found[2]) and true
end

-- The last of a model's bytes; who registered it was charged for them.
local function drop_model(blob)
  local name, bytes = unpack(redis.call('HMGET', blob, 'caller', 'bytes'))
  if name then count(name, 0, -bytes) end
  redis.call('UNLINK', blob)
end

local function is_used(blob) return tonumber(redis.call('HGET', blob, 'users') or 0) > 0 end

local function unregister(id)
  redis.call('HDEL', blob_key(id), 'registered')
  if not is_used(blob_key(id)) then drop_model(blob_key(id)) end
end

local function let_go(id)
  local blob = blob_key(id)
  if is_shared(blob) then
    if redis.call('HINCRBY', blob, 'users', -1) > 0 or redis.call('HEXISTS', blob, 'registered') == 1 then return end
    return drop_model(blob)
  end
  redis.call('UNLINK', blob)
end

-- The one way out for a job: a terminal state, no chunk left in any list, no upload, and a TTL on all that stays.
local function end_job(state, ttl)
  local before = redis.call('HGET', K.job, 'state')
  if not before or not JOB_NEXT[before][state] then return false end
  redis.call('HSET', K.job, 'state', state, 'ended_at', now())
  discharge(state, ttl)
  if redis.call('DEL', K.pending) == 1 then leave_rotation() end
  bury_chunks()
  for _, blob in ipairs(decoded(redis.call('HGET', K.job, 'blobs')) or {}) do
    let_go(blob)
  end
  redis.call('UNLINK', K.partials)
  if state ~= 'finished' then redis.call('UNLINK', K.values, K.results, K.sample) end
  for _, key in ipairs({K.chunks, K.attempts, K.values, K.results, K.sample}) do redis.call('EXPIRE', key, ttl) end
  if redis.call('HEXISTS', K.job, 'follow_up') == 1 then redis.call('ZADD', FOLLOW_UPS, now(), JOB_ID) end
  redis.call('EXPIRE', K.job, 2 * ttl)  -- outlives its result, to say "expired" rather than "unknown"
  redis.pcall('PUBLISH', ENDED_CHANNEL, JOB_ID)  -- a user without this channel must end jobs, too: waiters also look
  return true
end
