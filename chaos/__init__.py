"""`python -m chaos` (`make chaos`): a fault campaign against the whole service, with real processes.

One process, one event loop. Everything that is drawn comes from the seed; what a fault hits depends on what is there.
Two things are set apart from a deployment: CHUNK_MAX_ATTEMPTS is out of reach, since our kills count as attempts, and
the last supervisor that works is never taken away, since nobody could recover anything then.

- `campaign`: the order of events, from the first start to the verdict. `__main__` reads the command line.
- `faults`: the kinds of fault and the sequence that a seed gives. `injector`: carries them out, and heals.
- `deployment`: Valkey, two supervisors and the web app as processes. `proxy`: the wire between one of them and Valkey.
- `clock`: copied next to a supervisor, where it shifts the wall clock.
- `sample_jobs`: models, rows and the values computed aside. `load`: clients that submit them, steadily.
- `ledger`: what was submitted and what became of it. `recovery`: how long chunks of the dead wait.
- `checks`: what is wrong at the end: jobs, keys, processes, logs. `findings`: how that is kept, here and in `fuzz`.
  `report`: what is printed.
"""
