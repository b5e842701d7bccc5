"""Many tiny jobs from many clients: the service beside RQ, on the same work, with as many workers as slots.

RQ's Worker is what its users run: like the service it forks a process for each job. Its SimpleWorker works in its own
process, where a job that takes too much memory takes the worker along; it is shown beside.
Of the service's own processes also what they hold after the last job, beside what they held after the first WARM_UPS.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

from bench.clients import CLIENTS, Load, load
from bench.memory import SMALL
from bench.models import TINY_FEATURES, data, uploaded
from bench.service import running
from bench.table import Line
from cli.processes import Process, module_command, module_environment
from cli.stack import Stack
from cli.store import embedded_store, private_directory

WARM_UPS = 100
GOAL_RATE = 3
"""Times RQ's jobs a second."""
GOAL_P50 = 1 / 3
"""Of RQ's median."""
GOAL_GROWTH = 0.05
"""Of what web process and supervisor hold, from the first jobs to the last."""
READY_S, SETTLE_S = 60.0, 1.0
ROUNDS = 5
KINDS = ("Worker", "SimpleWorker")
"""Of RQ's; the goals are of the first."""
JSON = {"Content-Type": "application/json"}
MIB = 1024 * 1024
SLOTS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Held(NamedTuple):
    """By one process at one moment."""

    rss_bytes: int
    descriptors: int


class Side(NamedTuple):
    """Who answers on a port."""

    port: int
    bodies: list[bytes]
    headers: dict[str, str]

    def load(self, first: int, last: int) -> Load:
        return load(self.port, "/analyze", self.bodies[first:last], self.headers)


def measure(directory: Path, jobs: int) -> Iterator[Line]:
    """All sides are up, and take turns in ROUNDS: what slows the machine down for a while meets all of them."""
    model = uploaded(directory, "tiny")
    rows = data(jobs + WARM_UPS, seed=3, features=TINY_FEATURES)[0].tolist()
    with ExitStack() as opened:
        stack, service = opened.enter_context(_service(rows, model))
        rqs = [opened.enter_context(_rq(kind, rows, model)) for kind in KINDS]
        for side in (service, *rqs):
            side.load(0, WARM_UPS)
        early = {name: _held(stack.pids[name]) for name in SMALL}
        cuts = [WARM_UPS + jobs * number // ROUNDS for number in range(ROUNDS + 1)]
        rounds = [[side.load(*cut) for side in (service, *rqs)] for cut in pairwise(cuts)]
        late = {name: _held(stack.pids[name]) for name in SMALL}
    yield from _lines(rounds, jobs)
    yield from (_held_line(_work(jobs), name, early[name], late[name]) for name in SMALL)


def _work(jobs: int) -> str:
    return f"{jobs:,} jobs of 1 row, {CLIENTS} clients"


def _lines(rounds: list[list[Load]], jobs: int) -> Iterator[Line]:
    """Of each round the service's load, then one for each of KINDS."""
    ours, theirs, simple = (_together(loads) for loads in zip(*rounds, strict=True))
    ratio = median(them.seconds / us.seconds for us, them, _ in rounds)
    share = median(us.percentile(0.5) / them.percentile(0.5) for us, them, _ in rounds)
    yield Line(
        _work(jobs),
        f"service, {SLOTS} slots",
        SLOTS,
        f"{jobs / ours.seconds:,.0f} jobs/s",
        f"x {ratio:.3g}",
        f"x {GOAL_RATE} of RQ",
        ratio >= GOAL_RATE,
        remarks=_remarks(ours),
    )
    yield Line(
        _work(jobs),
        "its p50",
        SLOTS,
        f"{ours.percentile(0.5) * 1000:.0f} ms",
        f"x {share:.2g}",
        f"x {GOAL_P50:.2g} of RQ",
        share <= GOAL_P50,
        remarks=f"medians of {ROUNDS} rounds in turn",
    )
    for kind, seen in zip(KINDS, (theirs, simple), strict=True):
        yield Line(
            _work(jobs),
            f"RQ, {SLOTS} warm {kind}s",
            SLOTS,
            f"{jobs / seen.seconds:,.0f} jobs/s",
            f"x {theirs.seconds / seen.seconds:.3g}",
            remarks=_remarks(seen),
        )


def _together(loads: Sequence[Load]) -> Load:
    return Load(
        sum(load.seconds for load in loads),
        [latency for load in loads for latency in load.latencies],
        [failure for load in loads for failure in load.failures],
    )


def _held_line(work: str, name: str, early: Held, late: Held) -> Line:
    growth = max(late.rss_bytes / early.rss_bytes, late.descriptors / early.descriptors) - 1
    return Line(
        work,
        f"{name}, at the end",
        1,
        f"{late.rss_bytes / MIB:.1f} MB, {late.descriptors} files",
        f"{growth:+.1%}",
        f"+{GOAL_GROWTH:.0%}",
        growth <= GOAL_GROWTH,
        remarks=f"after {WARM_UPS} jobs {early.rss_bytes / MIB:.1f} MB, {early.descriptors} files",
    )


def _remarks(seen: Load) -> str:
    p50, p99 = (seen.percentile(share) * 1000 for share in (0.5, 0.99))
    failed = f"; {len(seen.failures)} FAILED: {seen.failures[0]}" if seen.failures else ""
    return f"submit to result: p50 {p50:.0f} ms, p99 {p99:.0f} ms{failed}"


@contextmanager
def _service(rows: list[list[float]], model: Path) -> Iterator[tuple[Stack, Side]]:
    with ExitStack() as opened:
        trusted = private_directory()
        opened.callback(shutil.rmtree, trusted)
        shutil.copy(model, trusted)
        stack, _ = opened.enter_context(running(TRUSTED_MODEL_DIR=str(trusted), WORKER_SLOTS=str(SLOTS)))
        headers = {**JSON, "Prefer": "wait=60"}
        if token := os.environ.get("API_TOKEN"):
            headers["Authorization"] = f"Bearer {token}"
        bodies = [json.dumps({"data": [row], "model_id": model.name}).encode() for row in rows]
        yield stack, Side(urlsplit(stack.url).port or 0, bodies, headers)


def _held(pid: int) -> Held:
    """The least of a second: what is still on its way out is not held."""
    process, rss_bytes, descriptors = psutil.Process(pid), [], []
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        rss_bytes.append(process.memory_info().rss)
        descriptors.append(process.num_fds())
        time.sleep(SETTLE_S / 20)
    return Held(min(rss_bytes), min(descriptors))


@contextmanager
def _rq(kind: str, rows: list[list[float]], model: Path) -> Iterator[Side]:
    """An app whose workers answer."""
    directory, port = private_directory(), _free_port()
    store, url = embedded_store(directory, os.environ)
    env = module_environment({**os.environ, "REDIS_URL": url, "MODEL": str(model), "OMP_NUM_THREADS": "1"})
    log = directory / "rq.log"
    app = Process("app", module_command("bench.rq_service", "app", str(port)), env, log=log)
    workers = [Process("worker", module_command("bench.rq_service", kind), env, log=log) for _ in range(SLOTS)]
    try:
        store.start()
        for process in (app, *workers):
            process.start()
        _await(port)
        yield Side(port, [json.dumps({"data": [row]}).encode() for row in rows], JSON)
    finally:
        for process in (*workers, app, store):
            process.stop(5)
        shutil.rmtree(directory)


def _await(port: int) -> None:
    """Until the app answers; workers may still be loading, which the warm-up waits for."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            http = HTTPConnection("127.0.0.1", port, timeout=5)
            http.request("GET", "/readyz")
            http.getresponse().read()
            http.close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
