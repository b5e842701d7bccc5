"""Rows a second of a large job, everything over HTTP included, beside shap in one process and on all cores by joblib.

The service explains every row; shap explains as many as it can in a few seconds and is scaled. Taken in turns.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from bench.interleaved import EngineProcess, Measured, compare
from bench.models import MODELS, rows_file, uploaded
from bench.service import BATCH_SIZE, explain, running
from bench.table import Line
from bench.tasks import Kind, Task
from cli.client import Client

NAMES = ("depth-16", "boosting", "xgboost", "lightgbm")
GOALS = {"depth-16": 100, "boosting": 20}
SHAP_S = 3.0
"""How long one call of shap may take."""


def measure(directory: Path, models: tuple[str, ...], *, rows: int, rounds: int) -> Iterator[Line]:
    with running() as (_, client):
        for model in (name for name in NAMES if name in models):
            yield from _lines(model, rows, _measure(client, directory, model, rows, rounds))


@dataclass
class Rounds:
    """One model in every round: the service's seconds, and shap on one core and on all."""

    taken: list[float] = field(default_factory=list)
    alone: list[Measured] = field(default_factory=list)
    spread: list[Measured] = field(default_factory=list)
    peak_bytes: int = 0
    difference: float = 0.0


def _measure(client: Client, directory: Path, model: str, rows: int, rounds: int) -> Rounds:
    task, path, values = Task(Kind.VALUES, model, directory), rows_file(directory, rows), directory / "ours.npy"
    seen = Rounds()
    with ExitStack() as stack:
        one, all_cores = (EngineProcess("shap", directory, cores, SHAP_S) for cores in (1, _cores()))
        stack.callback(one.close)
        stack.callback(all_cores.close)
        for _ in range(rounds):
            seconds, job = explain(client, uploaded(directory, model), path, values)
            seen.taken.append(seconds)
            seen.peak_bytes = max(seen.peak_bytes, job["peak_child_bytes"])
            seen.alone += compare([one], task, path, 1)
            seen.spread += compare([all_cores], task, path, 1)
        expected = np.load(one.values)
    found = np.load(values)[: len(expected)]
    seen.difference = float(np.abs(found - expected).max() / np.abs(expected).max())
    return seen


def _lines(model: str, rows: int, seen: Rounds) -> Iterator[Line]:
    work = f"{rows:,} rows end to end, {MODELS[model].title}"
    shap_each = median(each.each() for each in seen.alone)
    ratio, goal = shap_each * rows / median(seen.taken), GOALS.get(model)
    first = f"first round x {shap_each * rows / seen.taken[0]:.3g}"
    yield Line(
        work,
        f"service, chunks of {BATCH_SIZE}",
        _cores(),
        _rate(median(seen.taken) / rows),
        f"x {ratio:.3g}",
        f"x {goal}" if goal else "",
        ratio >= goal if goal else None,
        seen.difference,
        f"{first}; peak of a child {seen.peak_bytes / 2**20:.0f} MB",
    )
    yield Line(work, "shap, one process", 1, _rate(shap_each), "x 1", remarks=f"{seen.alone[0].rows} rows timed")
    each = median(one.each() for one in seen.spread)
    yield Line(
        work,
        "shap, joblib",
        _cores(),
        _rate(each),
        f"x {shap_each / each:.3g}",
        remarks=f"{seen.spread[0].rows} rows timed",
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _rate(seconds_each: float) -> str:
    return f"{1 / seconds_each:,.0f} rows/s"
