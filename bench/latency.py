"""Submit-to-result of a job of 100 rows on a model that the service has seen before, against the same call alone."""

import os
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.alone import Alone
from bench.service import explain_at_once
from bench.throughput import MODELS
from cli.client import Client
from cli.stack import Stack

WARM_UPS = 3


class Latency(NamedTuple):
    """Medians and the service's 95th percentile, in seconds."""

    model: str
    service: float
    service_p95: float
    alone: float
    alone_kept: float
    """Alone, with the explainer built once and kept."""


def measure(directory: Path, repeats: int) -> list[Latency]:
    with Stack(os.environ, private=True) as stack, Client(stack.url, os.environ.get("API_TOKEN")) as client:
        return [_measure(client, name, directory, repeats) for name in MODELS]


def _measure(client: Client, name: str, directory: Path, repeats: int) -> Latency:
    model, rows = directory / MODELS[name], directory / "few.npy"
    ours: list[float] = []
    theirs: list[dict[str, float]] = []
    with Alone(model, rows, directory / "theirs.npy") as alone:
        for _ in range(WARM_UPS):
            explain_at_once(client, model, rows)
            alone.measure()
        for _ in range(repeats):
            ours.append(explain_at_once(client, model, rows))
            theirs.append(alone.measure())
    return Latency(
        model=name,
        service=median(ours),
        service_p95=sorted(ours)[int(0.95 * (len(ours) - 1))],
        alone=median(sum(one.values()) for one in theirs),
        alone_kept=median(one["explain"] for one in theirs),
    )
