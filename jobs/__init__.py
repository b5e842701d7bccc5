"""What a job is and where it is kept: no processes, no HTTP, nothing heavier than redis and msgspec.

The house from the front door inwards:

- `settings`: the environment, read and validated once.
- `options`: what a caller may ask of one job.
- `states`: job and chunk states with their transition tables; `outcomes`: how an attempt can end.
- `errors`: every problem a user can meet, with its code and HTTP status.
- `formats`: which file format some first bytes are.
- `planner`: how rows are cut into chunks, and how many bytes a chunk will need.
- `codec`: the messages between supervisor and child; the one place that fixes their bytes.
- `keys`: the Redis schema; `scripts/`: one atomic Lua script a file; `blobs`: bytes in pieces, in Redis or in
  `objects`, an object store;
  `records`: what is read back; `store`: every operation on a job;
  `registry`: registered models.
- `logs`: structured logging for every process; `version`: of this package.
"""
