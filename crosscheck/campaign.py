"""All specimens: written by the environments of their versions, and put through one service, several side by side."""

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from cli.processes import ROOT
from cli.stack import Stack
from crosscheck.examination import WAIT_S, Verdict, examine

JOBS = 4
"""At a time: a slot each, and as many that wait."""
SERVICE = {"CHILD_MEMORY_MB": "512", "WORKER_SLOTS": "2", "AGGRESSIVE_MEMORY_MANAGEMENT": "true"}


def write_specimens(pythons: dict[str, str], into: Path, *, seed: int, count: int) -> list[str]:
    """Two environments at a time; what is there already stays. Returns what could not be made, a line each."""
    into.mkdir(parents=True, exist_ok=True)

    def run(numbered: tuple[int, str]) -> list[str]:
        place, python = numbered
        command = [python, "-m", "crosscheck.author", "--seed", str(seed), "--place", str(place)]
        command += ["--places", str(len(pythons)), "--count", str(count), "--into", str(into)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        ended = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True)
        died = [f"{python} ended with {ended.returncode}"] if ended.returncode else []
        return died + [line for line in ended.stderr.splitlines() if line[:1].isdigit()]

    with ThreadPoolExecutor(2) as pool:
        return [line for lines in pool.map(run, enumerate(pythons.values())) for line in lines]


def examined(directories: list[Path], tell: Callable[[Verdict], None]) -> Iterator[Verdict]:
    """A verdict on each, by a service of our own."""
    with Stack({**os.environ, **SERVICE}, private=True) as stack:
        yield from through(stack.url, directories, tell)


def through(url: str, directories: list[Path], tell: Callable[[Verdict], None]) -> Iterator[Verdict]:
    """The same by a service that runs already."""
    with httpx2.Client(base_url=url, timeout=2 * WAIT_S) as http, ThreadPoolExecutor(JOBS) as pool:
        for verdict in pool.map(lambda directory: examine(http, directory), directories):
            tell(verdict)
            yield verdict


def specimens(directory: Path, count: int) -> list[Path]:
    """Those that were written, in their order."""
    found = [directory / str(number) for number in range(count)]
    return [path for path in found if (path / "about.json").exists()]
