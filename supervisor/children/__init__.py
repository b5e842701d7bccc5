"""Children: forked, capped, watched, and gone. Runs in the supervisor, but for `forkserver`, a process of its own.

- `nest`: everything that is forked, and the memory it shares; `budget`, `memory`, `limits`: that memory.
- `forkservers`, `forkserver`, `forks`, `spawner`: processes that fork, and what they say.
- `templates`: those of them that hold a loaded model.
- `watch`, `usage`: every child's memory, looked at from outside.
- `pipe`, `conversation`, `inputs`: what a child says and may read; `ensembles`: models that were turned into arrays.
"""
