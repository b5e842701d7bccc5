#!lua flags=allow-oom
-- Rotates the list of callers where BLMOVE is refused: in a full store, which only working on jobs can empty. And where
-- BLMOVE finds nobody: jobs that an older version has queued have no turn yet.
-- KEYS: the list, and the unnamed caller's ready jobs   ARGV: none
-- returns the caller's name, or nil when there is none
if redis.call('EXISTS', KEYS[2]) == 1 and not redis.call('LPOS', KEYS[1], '') then redis.call('RPUSH', KEYS[1], '') end
return redis.call('LMOVE', KEYS[1], KEYS[1], 'LEFT', 'RIGHT')
