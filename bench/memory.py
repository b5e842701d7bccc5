"""Resident memory of web process and supervisor, sampled while a job runs; each job on a service of its own."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.models import rows_file, uploaded
from bench.service import explain, running
from bench.table import Line

SAMPLE_S = 0.02
WATCHED = ("web", "supervisor")
MIB = 1024 * 1024
GOAL_BYTES = 80 * MIB
GOAL_GROWTH = 0.10
"""Between the large job and the largest."""


def measure(directory: Path, *, rows: int, big_rows: int) -> Iterator[Line]:
    first: dict[str, int] = {}
    for count in (rows, big_rows):
        peaks, seconds = _peaks(directory, count)
        first = first or peaks
        for name, size in peaks.items():
            yield _line(count, name, size, size / first[name] - 1, seconds)


def _peaks(directory: Path, rows: int) -> tuple[dict[str, int], float]:
    """The highest samples in bytes, and the job's seconds."""
    with (
        running() as (stack, client),
        Sampler({name: stack.pids[name] for name in WATCHED}) as sampler,
    ):
        seconds, _ = explain(client, uploaded(directory, "small"), rows_file(directory, rows), directory / "ours.npy")
    return sampler.peaks, seconds


def _line(rows: int, name: str, size: int, growth: float, seconds: float) -> Line:
    return Line(
        f"{rows:,} rows, resident memory",
        name,
        1,
        f"{size / MIB:.1f} MB",
        f"{growth:+.1%}",
        f"{GOAL_BYTES // MIB} MB, ±{GOAL_GROWTH:.0%}",
        size <= GOAL_BYTES and abs(growth) <= GOAL_GROWTH,
        remarks=f"{rows / seconds:,.0f} rows/s on a small model",
    )


class Sampler:
    """Keeps the highest resident memory of each process for as long as it is open."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.peaks = dict.fromkeys(pids, 0)
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_S):
            for name, process in self._processes.items():
                self.peaks[name] = max(self.peaks[name], process.memory_info().rss)
