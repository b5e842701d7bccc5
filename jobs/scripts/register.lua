#!lua
-- Gives a finished upload of a model a name, for good. What had the name before goes when no job uses it any more.
-- KEYS: the registered models   ARGV: "" (no job), name, record, blob id
-- returns "created", "replaced", or "gone" when the upload has expired
local models, name, record, blob = KEYS[1], ARGV[2], ARGV[3], ARGV[4]
local before = redis.call('HGET', models, name)
before = before and cjson.decode(before).blob.id
if before == blob then return 'created' end  -- sent again, because the reply was lost
if redis.call('PERSIST', blob_key(blob)) == 0 then return 'gone' end
redis.call('HSET', blob_key(blob), 'registered', 1)
redis.call('HSET', models, name, record)
if before then unregister(before) end
return before and 'replaced' or 'created'
