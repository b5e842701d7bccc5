"""What both sides of the store do with a job, in short: for the tests of this room."""

import struct
from typing import Any

from jobs.outcomes import Attempt, Evidence, Outcome
from jobs.protocol import Done, MemoryReport, encode
from jobs.queue import Lease, OpenedJob, Queue
from jobs.records import Layout, ModelInfo, Partial
from jobs.sample import SampledRows
from jobs.spans import Span
from supervisor.chunks.leases import HeldLeases
from tests.jobs.conftest import Bench

MODEL = ModelInfo(
    family="f",
    name="n",
    n_features=1,
    features=None,
    outputs=["y"],
    base_values=[0.0],
    explainer="tree",
    engine="e",
    reason="r",
    explains="margin",
)
LAYOUT = Layout(format="npy", columns=["x"], features=["x"])
PARTIAL = Partial(rows=1, sums=struct.pack("<2d", 1.0, 1.0), largest_error=0.0, tolerance=1.0)


FRAME = encode(PARTIAL)


def sample(first: int) -> SampledRows:
    return SampledRows(rows=[first], data=[["a"]], values=bytes(8), predictions=bytes(8))


def attempt(chunk: str, outcome: Outcome = Outcome.SUCCEEDED, peak: int = 0) -> Attempt:
    return Attempt(chunk=chunk, attempt=1, outcome=outcome, supervisor="sup", evidence=Evidence(peak_bytes=peak))


def span(first: int, last: int) -> Span:
    return Span(first=first, last=last, span_first=first, start=8 * first, end=8 * (last + 1))


class Incarnation:
    """One process under a supervisor's name."""

    def __init__(self, redis: Any, name: str) -> None:
        self.queue = Queue(redis, redis, supervisor=name, lease_s=600, job_ttl_s=60)
        self.held_leases = HeldLeases(self.queue)


async def lease(bench: Bench, job_id: str) -> Lease:
    found = await bench.queue.lease(job_id)
    assert found
    return found


async def opened(bench: Bench, job_id: str, *spans: Span) -> Lease:
    """Lease and plan a job; with one span the lease goes on as that chunk's."""
    held = await lease(bench, job_id)
    goes_on = len(spans) == 1
    assert await bench.queue.plan(held, found(*spans), None if goes_on else attempt("open"))
    return held


def found(*spans: Span, model: ModelInfo = MODEL, layout: Layout = LAYOUT) -> OpenedJob:
    return OpenedJob(model=model, layout=layout, rows=spans[-1].last + 1, spans=list(spans), cap_bytes=7)


def done(
    partial: Partial | None = None, summary: dict[str, Any] | None = None, sampled: SampledRows | None = None
) -> Done:
    return Done(memory=MemoryReport(), partial=partial, summary=summary, sample=sampled)


async def finish(
    bench: Bench, held: Lease, value: bytes, summary: dict[str, Any] | None = None, *, sampled: bool = False
) -> bool:
    await bench.queue.put_values(held, 0, value * held.chunk.span.rows)
    partial = PARTIAL if held.chunk.kind == "rows" else None
    rows = sample(held.chunk.first) if sampled else None
    return await bench.queue.finish(held, attempt(held.chunk.id), done(partial, summary, rows))


async def places(bench: Bench, job_id: str) -> dict[str, list[str]]:
    """Where each chunk is: lists, leases and results. Every living chunk must be in exactly one list."""
    redis = bench.redis
    owned = [key async for key in redis.scan_iter("shap:supervisor:*:leased")]
    members = [member.decode() for key in owned for member in await redis.lrange(key, 0, -1)]
    return {
        "pending": [raw.decode() for raw in await redis.lrange(f"shap:job:{job_id}:pending", 0, -1)],
        "leased": [member.split("/")[1] for member in members if member.startswith(job_id)],
        "leases": [raw.decode().split("/")[1] for raw in await redis.zrange("shap:leases", 0, -1)],
        "results": [raw.decode().split(":")[0] for raw in await redis.zrange(f"shap:job:{job_id}:results", 0, -1)],
        "ready": [raw.decode() for raw in await redis.lrange("shap:ready", 0, -1)],
    }


def repeated(script: Any, times: int) -> Any:
    """The reply is lost and the call sent again."""

    async def call(**arguments: Any) -> Any:
        for _ in range(times):
            answer = await script(**arguments)
        return answer

    return call
