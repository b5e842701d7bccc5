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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

from bench.clients import CLIENTS, Load, load
from bench.memory import SMALL
from bench.models import TINY_FEATURES, data, uploaded
from bench.service import running
from bench.table import Line
from cli.processes import Process, module_command, module_environment
from cli.store import embedded_store, private_directory

WARM_UPS = 100
GOAL_RATE = 3
"""Times RQ's jobs a second."""
GOAL_P50 = 1 / 3
"""Of RQ's median."""
GOAL_GROWTH = 0.05
"""Of what web process and supervisor hold, from the first jobs to the last."""
READY_S, SETTLE_S = 60.0, 1.0
MIB = 1024 * 1024
SLOTS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Held(NamedTuple):
    """By one process at one moment."""

    rss_bytes: int
    descriptors: int


def measure(directory: Path, jobs: int) -> Iterator[Line]:
    model = uploaded(directory, "tiny")
    rows = data(jobs + WARM_UPS, seed=3, features=TINY_FEATURES)[0].tolist()
    ours, early, late = _service([json.dumps({"data": [row], "model_id": model.name}).encode() for row in rows], model)
    plain = [json.dumps({"data": [row]}).encode() for row in rows]
    theirs, simple = (_rq(kind, plain, model) for kind in ("Worker", "SimpleWorker"))
    work = f"{jobs:,} jobs of 1 row, {CLIENTS} clients"
    ratio, share = theirs.seconds / ours.seconds, ours.percentile(0.5) / theirs.percentile(0.5)
    yield Line(
        work,
        f"service, {SLOTS} slots",
        SLOTS,
        f"{jobs / ours.seconds:,.0f} jobs/s",
        f"x {ratio:.3g}",
        f"x {GOAL_RATE} of RQ",
        ratio >= GOAL_RATE,
        remarks=_remarks(ours),
    )
    yield Line(
        work,
        "its p50",
        SLOTS,
        f"{ours.percentile(0.5) * 1000:.0f} ms",
        f"x {share:.2g}",
        f"x {GOAL_P50:.2g} of RQ",
        share <= GOAL_P50,
    )
    for kind, seen in (("Worker", theirs), ("SimpleWorker", simple)):
        yield Line(
            work,
            f"RQ, {SLOTS} warm {kind}s",
            SLOTS,
            f"{jobs / seen.seconds:,.0f} jobs/s",
            f"x {theirs.seconds / seen.seconds:.3g}",
            remarks=_remarks(seen),
        )
    yield from (_held_line(work, name, early[name], late[name]) for name in SMALL)


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


def _service(bodies: list[bytes], model: Path) -> tuple[Load, dict[str, Held], dict[str, Held]]:
    """What clients saw; what the service's own processes held after the first jobs, and after the last."""
    with ExitStack() as opened:
        trusted = private_directory()
        opened.callback(shutil.rmtree, trusted)
        shutil.copy(model, trusted)
        stack, _ = opened.enter_context(running(TRUSTED_MODEL_DIR=str(trusted), WORKER_SLOTS=str(SLOTS)))
        headers = {"Content-Type": "application/json", "Prefer": "wait=60"}
        if token := os.environ.get("API_TOKEN"):
            headers["Authorization"] = f"Bearer {token}"
        port = urlsplit(stack.url).port or 0
        load(port, "/analyze", bodies[:WARM_UPS], headers)
        early = {name: _held(stack.pids[name]) for name in SMALL}
        seen = load(port, "/analyze", bodies[WARM_UPS:], headers)
        return seen, early, {name: _held(stack.pids[name]) for name in SMALL}


def _held(pid: int) -> Held:
    """The least of a second: what is still on its way out is not held."""
    process, rss_bytes, descriptors = psutil.Process(pid), [], []
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        rss_bytes.append(process.memory_info().rss)
        descriptors.append(process.num_fds())
        time.sleep(SETTLE_S / 20)
    return Held(min(rss_bytes), min(descriptors))


def _rq(kind: str, bodies: list[bytes], model: Path) -> Load:
    with _rq_running(kind, model) as port:
        headers = {"Content-Type": "application/json"}
        load(port, "/analyze", bodies[:WARM_UPS], headers)
        return load(port, "/analyze", bodies[WARM_UPS:], headers)


@contextmanager
def _rq_running(kind: str, model: Path) -> Iterator[int]:
    """The port of an app whose workers answer."""
    directory, port = private_directory(), _free_port()
    store, url = embedded_store(directory, os.environ)
    env = module_environment({**os.environ, "REDIS_URL": url, "MODEL": str(model), "OMP_NUM_THREADS": "1"})
    log = directory / "rq.log"
    app = Process("app", module_command("bench.rq_side", "app", str(port)), env, log=log)
    workers = [Process("worker", module_command("bench.rq_side", kind), env, log=log) for _ in range(SLOTS)]
    try:
        store.start()
        for process in (app, *workers):
            process.start()
        _await(port)
        yield port
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
