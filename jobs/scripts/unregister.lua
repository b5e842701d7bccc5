#!lua flags=allow-oom
-- Takes a model's name away; its bytes go when no job uses them any more.
-- KEYS: the registered models   ARGV: "" (no job), name
-- returns 1, or 0 when there is no such model
local record = redis.call('HGET', KEYS[1], ARGV[2])
if not record then return 0 end
redis.call('HDEL', KEYS[1], ARGV[2])
local model = decoded(record)
if model and model.blob then unregister(model.blob.id) end
return 1
