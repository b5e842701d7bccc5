"""The daemon: leases chunks, runs each in a capped child, and sees to it that every job ends.

From the outside in:

- `__main__`: reads the settings and starts the daemon; `daemon`: its verbs and how often each is done.
- `memory`: the limit, and what follows from it: budget, slots, cap.
- `attempts`: one attempt from lease to commit; `inputs`: the bytes that a child may read.
- `judge`: from evidence to an outcome; `decide`: from an outcome to what follows. Both pure.
- `templates`: processes that hold a loaded model and fork its chunks' children.
- `spawner`: our end of a process that forks; `forkserver`: that process itself; `forks`: what the two say.
- `watch`: looks at every child's memory from outside; `snapshot`: what the web process shows of us.

Nothing here imports numpy or its relatives; `forkserver` loads `jobs.work` by name, in a process of its own.
"""
