#!lua
-- Stores one piece of a chunk's values under its attempt's token; nobody reads it before the chunk is committed.
-- KEYS: the job's (prelude)   ARGV: job id, chunk, token, piece number, bytes
-- returns 1, or 0 when the token no longer holds the chunk, or it has no rows
local chunk = held(ARGV[2], ARGV[3])
if not chunk or chunk.kind ~= 'rows' then return 0 end
redis.call('HSET', K.values, ARGV[2] .. ':' .. ARGV[3] .. ':' .. ARGV[4], ARGV[5])
return 1
