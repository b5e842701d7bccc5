#!lua flags=allow-oom
-- Commits what the opening attempt found: the chunks take the place of "open".
-- A single chunk stays with the same attempt, under the same token; several go into the queue.
-- KEYS: the job's (prelude)
-- ARGV: job id, token, lease seconds, spans (JSON: [[first, last, span_first, start, end], ...]), attempt ("" when it
-- goes on), then fields and values
-- returns 1, or 0 when the token no longer holds the chunk
local open = held('open', ARGV[2])
local chunks = cjson.decode(ARGV[4])
for i, span in ipairs(chunks) do
  chunks[i] = {
    id = span[1] .. '-' .. span[2], kind = 'rows', state = 'pending', attempts = 0, crashes = 0, token = 0, owner = '',
    first = span[1], last = span[2], span_first = span[3], start = span[4], ['end'] = span[5],
  }
end
if not open then  -- sent again, because the reply was lost? Then the single chunk is ours already
  return ARGV[5] == '' and held(chunks[1].id, ARGV[2]) and 1 or 0
end
local owner, incarnation, token = open.owner, open.incarnation, open.token
release(open, 'done')
redis.call('HSET', K.job, 'chunks', #chunks, unpack(ARGV, 6))
local model = cjson.decode(redis.call('HGET', K.job, 'inputs')).model
if model and model.registered and redis.call('EXISTS', blob_key(model.blob.id)) == 1 then
  redis.call('HSET', blob_key(model.blob.id), 'info', redis.call('HGET', K.job, 'model'))
end
if ARGV[5] == '' then
  chunks[1].attempts, chunks[1].crashes = open.attempts, open.crashes
  lease(chunks[1], owner, incarnation, token, tonumber(ARGV[3]))
else
  redis.call('HINCRBY', K.job, 'attempts', 1)
  record_attempt(ARGV[5])
  for _, chunk in ipairs(chunks) do enqueue(chunk) end
  count_readers(chunks)
end
return 1
