"""Resident memory of web process and supervisor, sampled while a job runs; each job on a service of its own."""

import os
import threading
from pathlib import Path
from typing import NamedTuple

import numpy
import psutil

from bench.service import explain
from cli.client import Client
from cli.stack import Stack

SAMPLE_S = 0.02
WATCHED = ("web", "supervisor")


class Memory(NamedTuple):
    """The highest samples, in bytes."""

    rows: int
    seconds: float
    web: int
    supervisor: int


def measure(directory: Path) -> list[Memory]:
    return [_measure(directory, name) for name in ("rows.npy", "big.npy")]


def _measure(directory: Path, rows: str) -> Memory:
    with (
        Stack(os.environ, private=True) as stack,
        Client(stack.url, os.environ.get("API_TOKEN")) as client,
        Sampler({name: stack.pids[name] for name in WATCHED}) as sampler,
    ):
        seconds, _ = explain(client, directory / "small.json", directory / rows, directory / "ours.npy")
    count = len(numpy.load(directory / rows, mmap_mode="r"))
    return Memory(rows=count, seconds=seconds, web=sampler.peaks["web"], supervisor=sampler.peaks["supervisor"])


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
