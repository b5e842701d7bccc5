"""The driver's end of a comparison: engines in processes of their own, taking turns at the same rows.

All are open at once and one works at a time, in an order that turns round after every round, so that a machine that
slows down slows all of them. An engine that does not answer in time is ended and said to be slow. Does not compute
anything itself: see `engine_process`.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from bench.tasks import Task
from cli.processes import ROOT

THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB")
PATIENCE_S = 45.0
"""For one answer; making ready is one."""
NO_ANSWER = "no answer"
"""Who gives none is not asked the same model's harder tasks."""
ONCE_S = 3.0
"""Who takes longer is measured once."""


class Measured(NamedTuple):
    """One engine at one task: median seconds for `rows` rows, or why there are none."""

    name: str
    rows: int = 0
    seconds: float = 0.0
    built: float = 0.0
    refused: str = ""
    difference: float = 0.0
    """The largest, relative to shap's largest value."""

    def each(self) -> float:
        """Seconds a row."""
        return self.seconds / self.rows


class EngineProcess:
    """A process that is asked, and answers, in lines of JSON."""

    def __init__(self, name: str, directory: Path, cores: int, limit_s: float) -> None:
        command = [sys.executable, "-m", "bench.engine_process", name, str(directory), str(cores), str(limit_s)]
        threads = {f"{library}_NUM_THREADS": str(cores) for library in THREADS}
        self.name = name
        self.values = directory / f"values-{name.replace(' ', '-')}-{cores}.npy"
        self._command, self._env = command, {**os.environ, **threads, "PYTHONWARNINGS": "ignore"}
        self._process = self._started()

    def open(self, task: Task, rows: Path) -> dict[str, Any]:
        """Make ready and measure once; in a new process where the last task has ended it."""
        self.values.unlink(missing_ok=True)
        if self._process.poll() is not None:
            self.close()
            self._process = self._started()
        return self._ask({"open": [task.kind, task.model], "rows": str(rows), "values": str(self.values)})

    def again(self) -> dict[str, Any]:
        return self._ask({})

    def close(self) -> None:
        self._kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _kill(self) -> None:
        """With the workers that it may have, which would go on computing."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _started(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], PATIENCE_S)[0]:
            self._kill()
            return {"refused": f"{NO_ANSWER} in {PATIENCE_S:.0f} s"}
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"refused": f"ended with {self._process.wait()}"}
        return answer


def compare(engines: Sequence[EngineProcess], task: Task, rows: Path, rounds: int) -> list[Measured]:
    """Every engine at this task; the one called shap is what the others are compared with."""
    answers = {one: [one.open(task, rows)] for one in engines}
    order = [one for one in engines if answers[one][0].get("seconds", ONCE_S) < ONCE_S]
    for _ in range(rounds - 1):
        order.reverse()
        for one in order:
            answers[one].append(one.again())
    expected = next((_values(one) for one in engines if one.name == "shap"), None)
    return [_measured(one, answers[one], expected) for one in engines]


def _values(one: EngineProcess) -> Any:
    return np.load(one.values) if one.values.exists() else None


def _measured(one: EngineProcess, answers: list[dict[str, Any]], expected: Any) -> Measured:
    refused = next((answer["refused"] for answer in answers if "refused" in answer), "")
    if refused:
        return Measured(one.name, refused=refused)
    found, difference = _values(one), float("nan")
    if expected is not None:
        shared = min(len(found), len(expected))
        difference = float(np.abs(found[:shared] - expected[:shared]).max() / np.abs(expected[:shared]).max())
    first = answers[0]
    return Measured(
        name=one.name,
        rows=first["rows"],
        seconds=median(answer["seconds"] for answer in answers),
        built=first["built"],
        difference=difference,
    )
