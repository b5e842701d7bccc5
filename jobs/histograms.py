"""Distributions over all jobs and all supervisors. The scripts count: an attempt and a job's first lease each once,
whoever else dies meanwhile.

`shap:histograms` is a hash: "<name>:<bound>" -> how many observations were at most that bound and above the one before
("<name>:+Inf" above all), "<name>:sum" -> their sum.
"""

from collections.abc import Mapping
from itertools import accumulate

import msgspec

from jobs import keys
from jobs.connection import RedisClient

ABOVE_ALL = "+Inf"
BOUNDS: Mapping[str, tuple[float, ...]] = {
    "chunk_seconds": (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    "queue_wait_seconds": (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600),
    "peak_cap_ratio": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1, 1.1),
}


class Histogram(msgspec.Struct, frozen=True):
    """What was observed, as Prometheus counts it: `buckets` are (bound, observations up to it), from low to "+Inf"."""

    buckets: list[tuple[str, int]]
    sum: float


def named(bound: float) -> str:
    """A bound as it stands in the hash and, as OpenMetrics wants it, on the label."""
    return str(float(bound))


async def histograms(redis: RedisClient) -> dict[str, Histogram]:
    """All of them by name, those without observations too."""
    found = {name.decode(): float(count) for name, count in (await redis.hgetall(keys.HISTOGRAMS)).items()}
    return {name: _of(name, bounds, found) for name, bounds in BOUNDS.items()}


def _of(name: str, bounds: tuple[float, ...], found: dict[str, float]) -> Histogram:
    labels = [*map(named, bounds), ABOVE_ALL]
    counts = accumulate(int(found.get(f"{name}:{label}", 0)) for label in labels)
    return Histogram(buckets=list(zip(labels, counts, strict=True)), sum=found.get(f"{name}:sum", 0.0))
