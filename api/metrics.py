"""GET /metrics: the queue, supervisors, their children and how attempts ended, for Prometheus. Used in the web process.

Computed from what is in Redis when it is asked for, so every web process answers alike; nothing is counted here.
"""

from collections.abc import Iterable
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response

from api.admin import rss_bytes
from api.auth import Realm
from api.health import redis_memory
from api.resources import resources
from api.routes import Answer, Routes
from jobs import heartbeats, overview
from jobs.histograms import Histogram, histograms

routes = Routes(Realm.ADMIN)
PREFIX = "shap_supervisor_"
HISTOGRAMS = {
    "chunk_seconds": "From the start of a chunk's child to its end, of all attempts.",
    "queue_wait_seconds": "From a job's submission to its first lease.",
    "peak_cap_ratio": "Most memory that an attempt's child took, as a share of its cap.",
}
Sample = tuple[dict[str, str], float | None]


class Collected(Collector):
    """Metrics that are there already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


TEXT = {"text/plain": str, "application/openmetrics-text": str}


@routes.get("/metrics", "getMetrics", "For Prometheus", Answer("Metrics.", content=TEXT), link="metrics")
async def metrics(request: Request) -> Response:
    """All metrics, those of the store included; as OpenMetrics where `Accept` asks for it."""
    house = resources(request)
    queue, outcomes = await overview.of_queue(house.redis), await overview.outcomes(house.redis)
    snapshots, memory = await heartbeats.snapshots(house.redis), await redis_memory(house.redis)
    registry = CollectorRegistry()
    registry.register(
        Collected(
            [
                *_of_queue(queue),
                *_of_callers(await overview.of_callers(house.redis)),
                _of_outcomes(outcomes),
                *_of_histograms(await histograms(house.redis)),
                *_of_supervisors(snapshots),
                *_of_web(memory),
            ]
        )
    )
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), media_type=media_type)


def _of_queue(queue: dict[str, Any]) -> Iterable[Metric]:
    jobs, leases = queue["jobs"], queue["leases"]
    yield _gauge("jobs_ready", "Jobs with chunks that wait.", queue["jobs_total"])
    pending = sum(job["pending"] for job in jobs)
    yield _gauge("chunks_pending", "Chunks that wait, of the next jobs in rotation.", pending)
    yield _gauge("chunks_leased", "Chunks that somebody works on.", queue["leases_total"])
    overdue = sum(lease["seconds_left"] < 0 for lease in leases)
    yield _gauge("leases_overdue", "Leases that have expired and wait for rescue.", overdue)
    longest = max((job["waiting_s"] for job in jobs), default=0.0)
    yield _gauge("longest_wait_seconds", "Longest that a job's chunks have waited with nobody on them.", longest)


def _of_callers(callers: list[dict[str, Any]]) -> Iterable[Metric]:
    """The unnamed caller has an empty label."""
    for name, text in (("jobs", "Jobs that have not ended."), ("bytes", "Uploads, kept results and models.")):
        samples = [({"caller": found["caller"]}, found[name]) for found in callers]
        yield _gauges(f"caller_{name}", text, ["caller"], samples)


def _of_outcomes(outcomes: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}attempts", "Attempts that ended, over all jobs.", labels=["outcome"])
    for name, count in sorted(outcomes.items()):
        family.add_metric([name], count)
    return family


def _of_histograms(found: dict[str, Histogram]) -> Iterable[Metric]:
    for name, text in HISTOGRAMS.items():
        yield HistogramMetricFamily(f"{PREFIX}{name}", text, buckets=found[name].buckets, sum_value=found[name].sum)


def _of_supervisors(snapshots: list[dict[str, Any]]) -> Iterable[Metric]:
    def each(name: str, text: str, field: str) -> Metric:
        samples = [({"supervisor": str(found["name"])}, found.get(field)) for found in snapshots]
        return _gauges(name, text, ["supervisor"], samples)

    yield _gauge("supervisors", "Supervisors that were heard of lately.", len(snapshots))
    yield each("supervisor_resident_bytes", "Resident memory of the supervisor's own process.", "rss_bytes")
    yield each("family_bytes", "What a supervisor and all its processes hold.", "family_bytes")
    yield each("limit_bytes", "What a supervisor and its children may use.", "limit_bytes")
    yield each("budget_bytes", "What all children together may take.", "budget_bytes")
    yield each("slots", "Children at a time.", "slots")
    yield each("cap_bytes", "What one child may add to what it is forked from.", "cap_bytes")
    children = [
        ({"supervisor": str(found["name"]), "pid": str(child["pid"])}, child.get("rss_bytes"))
        for found in snapshots
        for child in found.get("children", [])
    ]
    yield _gauges("child_resident_bytes", "Resident memory of a child.", ["supervisor", "pid"], children)


def _of_web(memory: dict[str, Any]) -> Iterable[Metric]:
    yield _gauge("web_resident_bytes", "Resident memory of this web process.", rss_bytes())
    yield _gauge("redis_used_bytes", "Memory that the store uses.", memory["used_memory_bytes"])
    yield _gauge("redis_limit_bytes", "The store's maxmemory; 0 for none.", memory["maxmemory_bytes"])


def _gauge(name: str, text: str, value: float | None) -> Metric:
    return _gauges(name, text, [], [({}, value)])


def _gauges(name: str, text: str, labels: list[str], samples: Iterable[Sample]) -> Metric:
    """One metric with its samples; those without a value are left out."""
    family = GaugeMetricFamily(f"{PREFIX}{name}", text, labels=labels)
    for named, value in samples:
        if value is not None:
            family.add_metric([named[label] for label in labels], value)
    return family
