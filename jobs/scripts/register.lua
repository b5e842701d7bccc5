#!lua
-- Gives a finished upload of a model a name, for good. What had the name before goes when no job uses it any more.
-- KEYS: the caller's registered models
-- ARGV: "" (no job), name, record, blob id, the caller, the most bytes that it may have (0: any), bytes of the blob
-- returns "created", "replaced", "gone" when the upload has expired, or "bytes": the quota is used up
local models, name, record, blob = KEYS[1], ARGV[2], ARGV[3], ARGV[4]
local owner, most_bytes, bytes = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local before = redis.call('HGET', models, name)
before = decoded(before)
before = before and before.blob and before.blob.id
if before == blob then return 'created' end  -- sent again, because the reply was lost
if redis.call('TTL', blob_key(blob)) < 0 then return 'gone' end
local _, has_bytes = account(owner)
if before and not is_used(blob_key(before)) then
  has_bytes = has_bytes - (redis.call('HGET', blob_key(before), 'bytes') or 0)
end
if most_bytes > 0 and has_bytes + bytes > most_bytes then return 'bytes' end
redis.call('PERSIST', blob_key(blob))
redis.call('HSET', blob_key(blob), 'registered', 1, 'caller', owner, 'bytes', bytes)
count(owner, 0, bytes)
if owner ~= '' then redis.call('SADD', CALLERS, owner) end
redis.call('HSET', models, name, record)
if before then unregister(before) end
return before and 'replaced' or 'created'
