"""Children: forked, capped, watched, and gone. Runs in the supervisor, but for `forkserver`, a process of its own.

- `pool`: everything that is forked, and the memory it shares; `loader`: how a model gets into it; `caps`,
  `stack_choice`: what the pool decides, as pure functions; `budget`, `memory`, `limits`: that memory.
- `forkserver`: the process that forks; `confinement`: what a fork does to itself; `fork_protocol`: what is said to it;
  `spawner`: our end of that; `descendant`, `fork_gate`: which pids are believed, and how many forks;
  `stacks`: the two forkservers that there are, kept up.
- `sandbox`: what a fork may not do, whatever it has read; `landlock`, `seccomp`, `privileges`, `kernel`: by what means;
  `refusals`, `syscalls`: which system calls.
- `templates`: those of them that hold a loaded model.
- `watch`, `usage`: every child's memory, looked at from outside.
- `pipe`, `claims`, `conversation`, `inputs`: what a child says and may read; `ensembles`: models that were
  turned into arrays.
"""
