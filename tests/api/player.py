"""Plays a supervisor over the real queue: leases, plans, stores values and ends jobs, as a test tells it to."""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from redis.asyncio import Redis

from child.summary import summarize
from jobs import history, keys
from jobs.blob_location import open_blobs
from jobs.heartbeats import Heartbeats
from jobs.outcomes import Attempt, Evidence, Outcome
from jobs.protocol import PIECE_BYTES, Done, MemoryReport
from jobs.queue import Decision, Lease, OpenedJob, Queue
from jobs.records import JobError, Layout, ModelInfo, Partial
from jobs.sample import SampledRows
from jobs.settings import Settings
from jobs.spans import Span
from jobs.store import Store

PARTIAL = Partial(rows=1, sums=struct.pack("<2d", 1.0, 1.0), largest_error=0.0, tolerance=1e-6)
CAP = 256 * 1024 * 1024


def model_info(features: list[str], outputs: list[str]) -> ModelInfo:
    return ModelInfo(
        family="scikit-learn",
        name="RandomForestRegressor",
        n_features=len(features),
        features=features,
        outputs=outputs,
        base_values=[0.5] * len(outputs),
        explainer="tree",
        engine="shap.TreeExplainer (path-dependent)",
        reason="It is a forest.",
        explains="prediction",
    )


SUMMARY = summarize([PARTIAL], model_info(["a"], ["y"]), Layout(format="csv", columns=["a"], features=["a"]))
"""As children make them."""


def done(
    partial: Partial | None = None, summary: dict[str, Any] | None = None, sample: SampledRows | None = None
) -> Done:
    return Done(memory=MemoryReport(), partial=partial, summary=summary, sample=sample)


def attempt(chunk: str, outcome: Outcome = Outcome.SUCCEEDED, **more: Any) -> Attempt:
    evidence = more.pop("evidence", Evidence(seconds=0.25, peak_bytes=1000, exit_code=0))
    return Attempt(
        chunk=chunk, attempt=1, outcome=outcome, supervisor="played", evidence=evidence, ended_at=1.5e9, **more
    )


class Player:
    """Every call is a whole act, with clients of its own."""

    def __init__(self, url: str, blob_url: str | None = None) -> None:
        self.url = url
        self._settings = Settings(blob_url=blob_url)

    def act(self, play: Callable[[Queue], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            redis, blocking = Redis.from_url(self.url), Redis.from_url(self.url)
            try:
                blobs = open_blobs(self._settings, redis)
                return await play(Queue(redis, blocking, supervisor="played", lease_s=15, job_ttl_s=600, blobs=blobs))
            finally:
                await redis.aclose()
                await blocking.aclose()

        return asyncio.run(whole())

    def heartbeat(self, **snapshot: Any) -> None:
        said = {"name": "played", "draining": False, **snapshot}
        self.act(lambda queue: Heartbeats(queue.redis, queue.supervisor).beat(said, ttl_s=60))

    def remember(self, **point: int) -> None:
        self.act(lambda queue: history.record(queue.redis, "played", 0, point))

    def next_job(self) -> str:
        """Waits until a job is in the queue; it stays there."""

        async def play(queue: Queue) -> str:
            async with asyncio.timeout(10):
                while (caller := await queue.next_caller()) is None:
                    pass
            found: bytes = await queue.redis.lindex(keys.own(keys.READY, caller), 0)
            return found.decode()

        found: str = self.act(play)
        return found

    def lease(self, job_id: str) -> Lease:
        found: Lease = self.act(lambda queue: queue.lease(job_id))
        return found

    def rescue_all(self) -> None:
        """Whatever this supervisor held goes back into the queue, as when it was lost."""

        async def play(queue: Queue) -> None:
            for lease in await queue.own():
                lost = attempt(lease.chunk.id, Outcome.SUPERVISOR_LOST)
                assert await queue.settle(lease, lost, Decision(action="retry", counts="crashes"))

        self.act(play)

    def fail(self, job_id: str, error: JobError, **more: Any) -> None:
        async def play(queue: Queue) -> None:
            lease = await queue.lease(job_id)
            assert lease
            follows = Decision(action="fail", counts="attempts", error=error)
            await queue.settle(lease, attempt("open", Outcome.REFUSED, **more), follows)

        self.act(play)

    def finish(
        self,
        job_id: str,
        values: bytes | Iterable[bytes],
        *,
        rows: int,
        features: list[str],
        outputs: list[str] | None = None,
        per_chunk: int | None = None,
        row_bytes: int = 0,
        samples: Iterable[SampledRows | None] = (),
        summary: dict[str, Any] = SUMMARY,
    ) -> None:
        """One chunk, or several with `per_chunk` (then `row_bytes` tells how the values are divided). `samples`: each
        chunk's rows of the sample.
        """
        kept = iter(samples)
        held = self.plan(job_id, rows=rows, features=features, outputs=outputs, per_chunk=per_chunk or rows)
        if held:
            self.commit(held, values, summary, next(kept, None))
            return
        for first in range(0, rows, per_chunk or rows):
            held = self.lease(job_id)
            assert isinstance(values, bytes)
            self.commit(held, values[first * row_bytes : (held.chunk.last + 1) * row_bytes], None, next(kept, None))
        self.close(job_id, summary)

    def plan(
        self, job_id: str, *, rows: int, features: list[str], per_chunk: int, outputs: list[str] | None = None
    ) -> Lease | None:
        """Open a job; the lease of its only chunk, if it has only one."""
        spans = [
            Span(first=at, last=min(at + per_chunk, rows) - 1, span_first=at, start=0, end=0)
            for at in range(0, rows, per_chunk)
        ]
        whole = len(spans) == 1

        async def play(queue: Queue) -> Lease:
            lease = await queue.lease(job_id)
            assert lease
            opened = OpenedJob(
                model=model_info(features, outputs or ["y"]),
                layout=Layout(format="csv", columns=features, features=features),
                rows=rows,
                spans=spans,
                cap_bytes=CAP,
            )
            assert await queue.plan(lease, opened, None if whole else attempt("open"))
            return lease

        found: Lease = self.act(play)
        return found if whole else None

    def commit(
        self,
        held: Lease,
        values: bytes | Iterable[bytes],
        summary: dict[str, Any] | None = None,
        sample: SampledRows | None = None,
    ) -> None:
        """A chunk's values, and its end."""

        async def play(queue: Queue) -> None:
            for number, piece in enumerate(_pieces(values)):
                assert await queue.put_values(held, number, piece)
            assert await queue.finish(held, attempt(held.chunk.id), done(PARTIAL, summary, sample))

        self.act(play)

    def close(self, job_id: str, summary: dict[str, Any] = SUMMARY) -> None:
        """The last chunk."""
        held = self.lease(job_id)
        assert held.chunk.kind == "close"
        self.act(lambda queue: queue.finish(held, attempt("close"), done(None, summary)))


def _pieces(values: bytes | Iterable[bytes]) -> Iterable[bytes]:
    if not isinstance(values, bytes):
        return values
    return [values[at : at + PIECE_BYTES] for at in range(0, len(values), PIECE_BYTES)]


def read_input(url: str, job_id: str, part: str) -> bytes:
    """What lies in the blob store as one part of a job."""

    async def read() -> bytes:
        redis = Redis.from_url(url)
        try:
            store = Store(redis, job_ttl_s=1)
            blob = (await store.job(job_id)).inputs[part].blob
            assert blob
            return await store.blobs.read(blob, 0, blob.size)
        finally:
            await redis.aclose()

    return asyncio.run(read())
