"""Resident memory while jobs of very different lengths run, one after the other on one service, rows made on the fly.

The peaks of web process, supervisor and store are sampled from outside; those of children are their own accounts, as
the job tells them. Neither rows nor values are ever whole anywhere in this process.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import psutil

from bench import tables
from bench.models import uploaded
from bench.table import Line
from cli.client import Client
from cli.polling import require_finished, wait_for_end
from cli.stack import Stack

SAMPLE_S = 0.02
MIB = 1024 * 1024
WATCHED = ("web", "supervisor", "store")
GOAL_BYTES = 80 * 1024 * 1024
"""Of web process and supervisor."""
GOAL_GROWTH = 0.05
"""Between the large job and the largest."""
SMALL = ("web", "supervisor")
READ_BYTES = 1024 * 1024
BOUNDARY = "rows"


class Memory(NamedTuple):
    """The highest samples, in bytes; `children` is the most that one added to what it was forked from."""

    rows: int
    seconds: float
    web: int
    supervisor: int
    store: int
    children: int
    format: str
    result_bytes: int


def measure(directory: Path, *, rows: int, big_rows: int, formats: Sequence[str] = ()) -> Iterator[Line]:
    model = uploaded(directory, "small").read_bytes()
    for kind in formats or tables.FORMATS:
        few, many = measure_in_turn(model, (rows, big_rows), kind, **tables.environment())
        for name in (*SMALL, "children"):
            yield _line(few, many, name)


def _line(few: "Memory", many: "Memory", name: str) -> Line:
    size, growth = getattr(many, name), getattr(many, name) / getattr(few, name) - 1
    goal = f"{GOAL_BYTES // MIB} MB, +{GOAL_GROWTH:.0%}" if name in SMALL else f"+{GOAL_GROWTH:.0%}"
    return Line(
        f"{few.rows:,} → {many.rows:,} rows as {many.format.upper()}, memory",
        name,
        1,
        f"{size / MIB:.1f} MB",
        f"{growth:+.1%}",
        goal,
        growth <= GOAL_GROWTH and (name not in SMALL or size <= GOAL_BYTES),
        remarks=f"{many.rows / many.seconds:,.0f} rows/s on a small model",
    )


def measure_in_turn(model: bytes, counts: Sequence[int], kind: str, **env: str) -> list[Memory]:
    """A job of each count of rows, on a service that has done nothing else. Raises JobFailed."""
    with Stack({**os.environ, **env}, private=True) as stack, Client(stack.url) as client:
        return [_measure_one(stack, client, model, rows, kind) for rows in counts]


def _measure_one(stack: Stack, client: Client, model: bytes, rows: int, kind: str) -> Memory:
    with Sampler({name: stack.pids[name] for name in WATCHED}) as sampler:
        started = time.perf_counter()
        job_id = submit(stack.url, model, tables.table(rows, kind))
        job = wait_for_end(client, job_id, timeout_s=None, show=lambda _: None)
        require_finished(job)
        size = fetch(stack.url, job_id)
        seconds = time.perf_counter() - started
    return Memory(
        rows=rows,
        seconds=seconds,
        **sampler.peaks,
        children=job["peak_child_bytes"],
        format=kind,
        result_bytes=size,
    )


def submit(url: str, model: bytes, rows: Iterator[bytes]) -> str:
    """POST /analyze as it streams; the job's id."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Transfer-Encoding": "chunked"}
    connection = _connect(url)
    connection.request("POST", "/analyze", body=_multipart(model, rows), headers=headers, encode_chunked=True)
    answer: dict[str, str] = msgspec.json.decode(connection.getresponse().read())
    return answer["job_id"]


def fetch(url: str, job_id: str) -> int:
    """Read the result as NPY and keep nothing of it; its size."""
    connection = _connect(url)
    connection.request("GET", f"/jobs/{job_id}/result", headers={"Accept": "application/x-npy"})
    return sum(map(len, _pieces(connection.getresponse())))


def _pieces(response: HTTPResponse) -> Iterator[bytes]:
    while piece := response.read(READ_BYTES):
        yield piece


def _multipart(model: bytes, rows: Iterator[bytes]) -> Iterator[bytes]:
    yield _part("model") + model + b"\r\n" + _part("data")
    yield from rows
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def _part(name: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'.encode()


def _connect(url: str) -> HTTPConnection:
    address = urlsplit(url)
    assert address.hostname
    return HTTPConnection(address.hostname, address.port, timeout=600)


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
