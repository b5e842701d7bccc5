"""GET /metrics: the queue, the supervisors and their children as Prometheus text. Used in the web process.

Computed from what is in Redis when it is asked for, so every web process answers alike; nothing is counted here. The
text format is short enough to be written by hand.
"""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.admin import rss_bytes
from api.auth import Realm
from api.health import redis_memory
from api.resources import resources
from api.routes import Answer, Routes
from jobs import heartbeats, overview

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
routes = Routes(Realm.ADMIN)
PREFIX = "shap_supervisor_"
Sample = tuple[dict[str, str], float | None]


@routes.get("/metrics", "getMetrics", "For Prometheus", Answer("Metrics.", content={"text/plain": str}), link="metrics")
async def metrics(request: Request) -> Response:
    """All metrics, those of the store included."""
    house = resources(request)
    queue, outcomes = await overview.of_queue(house.redis), await overview.outcomes(house.redis)
    snapshots, memory = await heartbeats.snapshots(house.redis), await redis_memory(house.redis)
    callers = _of_callers(await overview.of_callers(house.redis))
    text = "".join(
        [*_of_queue(queue), *callers, *_of_outcomes(outcomes), *_of_supervisors(snapshots), *_of_web(memory)]
    )
    return Response(text, media_type=MEDIA_TYPE)


def _of_queue(queue: dict[str, Any]) -> Iterable[str]:
    jobs, leases = queue["jobs"], queue["leases"]
    yield _gauge("jobs_ready", "Jobs with chunks that wait.", queue["jobs_total"])
    yield _gauge(
        "chunks_pending", "Chunks that wait, of the next jobs in rotation.", sum(job["pending"] for job in jobs)
    )
    yield _gauge("chunks_leased", "Chunks that somebody works on.", queue["leases_total"])
    overdue = sum(lease["seconds_left"] < 0 for lease in leases)
    yield _gauge("leases_overdue", "Leases that have expired and wait for rescue.", overdue)
    longest = max((job["waiting_s"] for job in jobs), default=0.0)
    yield _gauge("longest_wait_seconds", "Longest that a job's chunks have waited with nobody on them.", longest)


def _of_callers(callers: list[dict[str, Any]]) -> Iterable[str]:
    """The unnamed caller has an empty label."""
    for name, text in (("jobs", "Jobs that have not ended."), ("bytes", "Uploads, kept results and models.")):
        samples: list[Sample] = [({"caller": found["caller"]}, found[name]) for found in callers]
        yield _family(f"caller_{name}", "gauge", text, samples)


def _of_outcomes(outcomes: dict[str, int]) -> Iterable[str]:
    samples: list[Sample] = [({"outcome": name}, count) for name, count in sorted(outcomes.items())]
    yield _family("attempts_total", "counter", "Attempts that ended, over all jobs.", samples)


def _of_supervisors(snapshots: list[dict[str, Any]]) -> Iterable[str]:
    def each(name: str, text: str, field: str) -> str:
        samples = [({"supervisor": str(found["name"])}, found.get(field)) for found in snapshots]
        return _family(name, "gauge", text, samples)

    yield _gauge("supervisors", "Supervisors that were heard of lately.", len(snapshots))
    yield each("supervisor_resident_bytes", "Resident memory of the supervisor's own process.", "rss_bytes")
    yield each("family_bytes", "What a supervisor and all its processes hold.", "family_bytes")
    yield each("limit_bytes", "What a supervisor and its children may use.", "limit_bytes")
    yield each("budget_bytes", "What all children together may take.", "budget_bytes")
    yield each("slots", "Children at a time.", "slots")
    yield each("cap_bytes", "What one child may add to what it is forked from.", "cap_bytes")
    children: list[Sample] = [
        ({"supervisor": str(found["name"]), "pid": str(child["pid"])}, child.get("rss_bytes"))
        for found in snapshots
        for child in found.get("children", [])
    ]
    yield _family("child_resident_bytes", "gauge", "Resident memory of a child.", children)


def _of_web(memory: dict[str, Any]) -> Iterable[str]:
    yield _gauge("web_resident_bytes", "Resident memory of this web process.", rss_bytes())
    yield _gauge("redis_used_bytes", "Memory that the store uses.", memory["used_memory_bytes"])
    yield _gauge("redis_limit_bytes", "The store's maxmemory; 0 for none.", memory["maxmemory_bytes"])


def _gauge(name: str, text: str, value: float | None) -> str:
    return _family(name, "gauge", text, [({}, value)])


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    """One metric with its samples; those without a value are left out."""
    lines = [f"# HELP {PREFIX}{name} {text}", f"# TYPE {PREFIX}{name} {kind}"]
    lines += [f"{PREFIX}{name}{_labels(labels)} {value}" for labels, value in samples if value is not None]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
