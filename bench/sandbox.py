"""What the sandbox costs whoever waits: one row on a registered model over HTTP, with it and without it, in turns.

Two services run side by side, each with one slot; every pair asks the one and then the other, and who goes first
changes from pair to pair, so that what disturbs the machine disturbs both.
"""

import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import msgspec

from bench.models import TINY_FEATURES, data, uploaded
from bench.service import running
from bench.table import Line

MODEL = "tiny"
WARM_UPS = 20
GOAL = 1.05
"""Times as long as without a sandbox: the median over the pairs, each of which has met the same disturbances."""


class Caller:
    """One connection that is kept, and one body: a row for a registered model."""

    def __init__(self, url: str, model: Path) -> None:
        address = urlsplit(url)
        self._connection = HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._ask("PUT", f"/models/{MODEL}", model.read_bytes(), {})
        row = [round(cell, 6) for cell in data(1, seed=3, features=TINY_FEATURES)[0][0].tolist()]
        self._body = msgspec.json.encode({"model_id": MODEL, "data": [row]})

    def seconds(self) -> float:
        """From the request to the last byte of its values."""
        started = time.perf_counter()
        self._ask("POST", "/analyze", self._body, {"Content-Type": "application/json", "Prefer": "wait=30"})
        return time.perf_counter() - started

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status not in {200, 201}:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")


def measure(directory: Path, *, pairs: int) -> Iterator[Line]:
    model = uploaded(directory, "tiny")
    with (
        running(SANDBOX="auto", WORKER_SLOTS="1") as (inside, _),
        running(SANDBOX="off", WORKER_SLOTS="1") as (bare, _),
    ):
        callers = [Caller(inside.url, model), Caller(bare.url, model)]
        for _ in range(WARM_UPS):
            _pair(callers, turned=False)
        taken = [_pair(callers, turned=bool(number % 2)) for number in range(pairs)]
    sandboxed, without = (median(seconds) for seconds in zip(*taken, strict=True))
    low, ratio, high = _median_within([inside / bare for inside, bare in taken])
    work = f"one row on a registered model, {pairs} pairs"
    remarks = f"median of the pairs' ratios, 95 % of it {low:.3f} to {high:.3f}; p50 by p50 x {sandboxed / without:.3f}"
    yield Line(work, "in the sandbox", 1, _ms(sandboxed), f"x {ratio:.3f}", f"x {GOAL}", ratio <= GOAL, remarks=remarks)
    yield Line(work, "SANDBOX=off", 1, _ms(without))


def _pair(callers: list[Caller], *, turned: bool) -> tuple[float, ...]:
    """Seconds of each, in the order of `callers`."""
    order = [1, 0] if turned else [0, 1]
    seconds = {place: callers[place].seconds() for place in order}
    return tuple(seconds[place] for place in range(len(callers)))


def _median_within(ratios: Sequence[float]) -> tuple[float, float, float]:
    """The median between the ends of its 95 % confidence interval, two of the ratios by their ranks."""
    found, count = sorted(ratios), len(ratios)
    reach = 0.98 * count**0.5  # 1.96 standard deviations of how many lie below the true median
    low, high = max(0, int(count / 2 - reach)), min(count - 1, int(count / 2 + reach))
    return found[low], median(found), found[high]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
