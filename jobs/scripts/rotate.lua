#!lua flags=allow-oom
-- Rotates the list of ready jobs where BLMOVE is refused: in a full store, which only working on jobs can empty.
-- KEYS: the list   ARGV: none
-- returns the job's id, or nil when there is none
return redis.call('LMOVE', KEYS[1], KEYS[1], 'LEFT', 'RIGHT')
