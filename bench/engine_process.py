"""One engine in a process of its own: `python -m bench.engine_process NAME DIRECTORY CORES LIMIT_S`.

Each line that it reads is a request, each line that it prints an answer, both JSON. `{"open": [kind, model], "rows":
PATH, "values": PATH}` makes it ready, chooses how many of the rows it can do within LIMIT_S and saves their values; an
empty request explains them once. Threads are limited by the environment, processors by `CORES`.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.engines import BATCHED, ENGINE, Explain, explain_with, in_worker, prepare_worker
from bench.models import Floats
from bench.tasks import Kind, Task

SAMPLE_ROWS = 8
BATCH_ROWS = 64
LONGEST_S = 20.0
"""For all rows, by those who work in batches; who would take longer is timed on BATCH_ROWS."""
SLOW_S = 2.0
"""For one row, by all others; who takes longer is timed on that one, and once."""


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def affordable(name: str, explain: Explain, x: Floats, limit_s: float) -> int:
    """How many rows are timed: those that are done within the limit."""
    if name.startswith(ENGINE):
        explain(x)
        return len(x)
    if seconds(lambda: explain(x[:1])) > limit_s:  # with what is loaded on first use
        return 1
    one, sample = (seconds(lambda few=few: explain(x[:few])) for few in (1, SAMPLE_ROWS))  # type: ignore[misc]
    each = max((sample - one) / (SAMPLE_ROWS - 1), 1e-9)
    return max(1, min(len(x), int((limit_s - one) / each)))


def spread(name: str, task: Task, cores: int) -> Explain:
    """On several cores: the engine in threads, as it lets go of the GIL; boosters by themselves; others by joblib."""
    if cores == 1 or name in {"XGBoost", "LightGBM"}:
        return explain_with(name, task)
    if name.startswith(ENGINE):
        explain, pool = explain_with(name, task), ThreadPoolExecutor(cores)
        return lambda x: np.concatenate(list(pool.map(explain, _parts(x, cores))))
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=cores)
    pool(delayed(prepare_worker)(name, task) for _ in range(cores))
    return lambda x: np.concatenate(pool(delayed(in_worker)(name, task, part) for part in _parts(x, cores)))


def _parts(x: Floats, cores: int) -> list[Floats]:
    return [part for part in np.array_split(x, cores) if len(part)]


class Ready:
    """A task that is being measured."""

    def __init__(self, name: str, task: Task, cores: int, limit_s: float, request: dict[str, Any]) -> None:
        started = time.perf_counter()
        self._explain = spread(name, task, cores)
        self._built_s = time.perf_counter() - started
        self._values = Path(request["values"])
        x, few = np.load(request["rows"]), BATCH_ROWS if name in BATCHED else 1
        self._x = x[:few]
        self._sample: dict[str, float] | None = self._timed()
        if self._sample["seconds"] * len(x) / few < (LONGEST_S if name in BATCHED else SLOW_S * len(x)):
            self._sample = None
            self._x = x if name in BATCHED else x[: affordable(name, self._explain, x, limit_s)]

    def answer(self) -> dict[str, float]:
        """Rows, seconds of explaining them, and those of making ready."""
        sample, self._sample = self._sample, None
        return sample or self._timed()

    def _timed(self) -> dict[str, float]:
        started = time.perf_counter()
        values = self._explain(self._x)
        taken = time.perf_counter() - started
        np.save(self._values, values)
        return {"rows": len(self._x), "seconds": taken, "built": self._built_s}


def _main(name: str, directory: Path, cores: int, limit_s: float) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    ready: Ready | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "open" in request:
                kind, model = request["open"]
                ready = None
                ready = Ready(name, Task(Kind(kind), model, directory), cores, limit_s, request)
            answer: dict[str, Any] = ready.answer() if ready else {"refused": "nothing is open"}
        except Exception as fault:
            answer = {"refused": f"{type(fault).__name__}: {fault}".splitlines()[0][:80]}
        print(json.dumps(answer), file=ANSWERS, flush=True)


if __name__ == "__main__":
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what peers print is no answer
    _main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
