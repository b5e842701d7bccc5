"""What a job is and where it is kept: no processes, no HTTP, nothing heavier than redis and msgspec.

The house from the front door inwards:

- `settings`: the environment, read and validated once.
- `callers`: who asks, what it sees and how much it may have; `options`: what it may ask of one job.
- `states`: job and chunk states with their transition tables.
- `outcomes`: how an attempt can end; `out_of_memory`: the words that tell that one ended for want of memory.
- `errors`: every problem a user can meet, with its code and HTTP status.
- `formats`: which file format some first bytes are; `foreign`: what they are where nothing here reads them.
- `kept`: what a result has of each row. `sample`: which rows are kept to be shown.
- `planner`: how rows are cut into chunks, and how many bytes a chunk will need.
- `spans`: where a chunk's rows lie in the data; `protocol`: the messages between supervisor and child, and their bytes.
- `connection`: clients of Redis, and what its errors mean; `access`: whether it lets us in at all, by a
  `rehearsal` of a submission; `store_policy`: whether it would evict what we keep.
- `keys`: the Redis schema; `scripts/`: one atomic Lua script a file; `records`: what is kept, typed.
- `blobs`: bytes in pieces, in Redis or in `object_store`; `blob_location`: in which.
- `store`: what callers do with jobs; `results`: the values they fetch; `registered`: models with a name.
- `queue`: what supervisors do with chunks; `heartbeats`: that they are alive.
- `overview`, `histograms` and `history`: what operators see; `audit`: contradictions in the store, and how they are
  repaired.
- `allocator` and `undumpable`: what a process that lives on asks of the C library and of the kernel.
- `logs`: structured logging for every process; `traces`: from a request to its chunks, sent by `telemetry`;
  `version`: of this package.
"""
