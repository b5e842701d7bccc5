#!lua flags=allow-oom
-- Commits a chunk that succeeded. The last one puts "close" into the queue, or ends the job if it brings the summary.
-- KEYS: the job's (prelude)   ARGV: job id, chunk, token, attempt, ttl seconds, partial, summary ("" for
-- none), its warnings, its rows of the sample ("" for none), its values ("" where they have
-- been put)
-- returns {} when the token no longer holds the chunk, otherwise {blob of the data, the numbers of its pieces that nobody
-- needs any more...}
local chunk = held(ARGV[2], ARGV[3])
if not chunk then return {} end
local ttl, partial, summary, sample = tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[9]
local freed = {''}
release(chunk, 'done')
redis.call('HINCRBY', K.job, 'attempts', 1)
record_attempt(ARGV[4])
if chunk.kind == 'rows' then
  redis.call('ZADD', K.results, chunk.first, chunk.id .. ':' .. chunk.token)
  redis.call('HSET', K.partials, chunk.id, partial)
  if ARGV[10] ~= '' then redis.call('HSET', K.values, chunk.id .. ':' .. ARGV[3] .. ':0', ARGV[10]) end
  if sample ~= '' then
    redis.call('HSET', K.sample, chunk.id, sample)
    redis.call('HINCRBY', K.job, 'sample_bytes', #sample)
  end
  redis.call('HINCRBY', K.job, 'rows_done', chunk.last - chunk.first + 1)
  redis.call('HINCRBY', K.job, 'chunks_done', 1)
  freed = free_pieces(chunk)
end
local chunks = redis.call('HGET', K.job, 'chunks')
local all_done = chunks and chunks == redis.call('HGET', K.job, 'chunks_done')
if chunk.kind == 'open' then  -- a dry run ends where others begin
  all_done = cjson.decode(redis.call('HGET', K.job, 'options')).dry_run or false
end
if chunk.kind == 'rows' and not (summary ~= '' and all_done) then charge(chunk.last - chunk.first + 1, #sample) end
if summary ~= '' and all_done then
  redis.call('HSET', K.job, 'summary', summary, 'warnings', ARGV[8])
  end_job('finished', ttl)
elseif chunk.kind == 'rows' and all_done then
  enqueue({id = 'close', kind = 'close', state = 'pending', attempts = 0, crashes = 0, token = 0, owner = ''})
end
return freed
