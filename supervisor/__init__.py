"""The daemon: leases chunks, runs each in a capped child, and sees to it that every job ends.

From the outside in:

- `__main__`: reads the settings and starts the daemon; `daemon`: its verbs and how often each is done;
  `leasing`: a chunk for every free slot; `shutdown`: how it is told to leave; `heartbeat`: that it is alive; `tasks`.
- `chunks/`: a chunk from its lease to its commit.
- `children/`: the processes that work on them, forked, capped and watched.
- `redis_link`: Redis, which may be away for a while; `store_check`: what may be wrong with it.
- `snapshot`: what the web process shows of us.

Nothing here imports numpy or its relatives; `children.forkserver` loads `child` by name, in a process of its own.
"""
