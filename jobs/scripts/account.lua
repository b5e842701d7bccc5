#!lua flags=allow-oom
-- What a caller has of what it may have only so much of.
-- KEYS: none   ARGV: "" (no job), the caller
-- returns {jobs that have not ended, bytes}
return {account(ARGV[2])}
