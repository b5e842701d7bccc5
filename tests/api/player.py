"""Plays a supervisor over the real queue: leases, plans, stores values and ends jobs, as a test tells it to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from redis.asyncio import Redis

from jobs import history
from jobs.codec import PIECE_BYTES, Layout, ModelInfo, Partial, Span
from jobs.outcomes import Attempt, Evidence, Outcome
from jobs.queue import Follows, Lease, Queue
from jobs.records import JobError
from jobs.store import Store

PARTIAL = Partial(rows=1, abs_sum=[[1.0]], value_sum=[[1.0]], largest_error=0.0, tolerance=1e-6)
SUMMARY = {"mean_abs": {"a": 1.0}, "additivity": {"largest_error": 0.0}}
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


def attempt(chunk: str, outcome: Outcome = Outcome.SUCCEEDED, **more: Any) -> Attempt:
    evidence = more.pop("evidence", Evidence(seconds=0.25, peak_bytes=1000, exit_code=0))
    return Attempt(
        chunk=chunk, attempt=1, outcome=outcome, supervisor="played", evidence=evidence, ended_at=1.5e9, **more
    )


class Player:
    """Every call is a whole act, with clients of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def act(self, play: Callable[[Queue], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            redis, blocking = Redis.from_url(self.url), Redis.from_url(self.url)
            try:
                return await play(Queue(redis, blocking, supervisor="played", lease_s=15, job_ttl_s=600))
            finally:
                await redis.aclose()
                await blocking.aclose()

        return asyncio.run(whole())

    def heartbeat(self, **snapshot: Any) -> None:
        self.act(lambda queue: queue.heartbeat({"name": "played", "draining": False, **snapshot}, ttl_s=60))

    def remember(self, **point: int) -> None:
        self.act(lambda queue: history.record(queue.redis, "played", 0, point))

    def next_job(self) -> str:
        """Waits until a job is in the queue."""

        async def play(queue: Queue) -> str:
            async with asyncio.timeout(10):
                while (job_id := await queue.next_job()) is None:
                    pass
            return job_id

        found: str = self.act(play)
        return found

    def lease(self, job_id: str) -> Lease:
        found: Lease = self.act(lambda queue: queue.lease(job_id))
        return found

    def fail(self, job_id: str, error: JobError, **more: Any) -> None:
        async def play(queue: Queue) -> None:
            lease = await queue.lease(job_id)
            assert lease
            follows = Follows(action="fail", counts="attempts", error=error)
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
    ) -> None:
        """One chunk, or several with `per_chunk` (then `row_bytes` tells how the values are divided)."""
        model = model_info(features, outputs or ["y"])
        layout = Layout(format="csv", columns=features, features=features)

        async def play(queue: Queue) -> None:
            lease = await queue.lease(job_id)
            assert lease
            size = per_chunk or rows
            spans = [
                Span(first=at, last=min(at + size, rows) - 1, span_first=at, start=0, end=0)
                for at in range(0, rows, size)
            ]
            whole = len(spans) == 1
            assert await queue.plan(
                lease,
                model=model,
                layout=layout,
                rows=rows,
                spans=spans,
                cap_bytes=CAP,
                attempt=None if whole else attempt("open"),
            )
            for span in spans:
                held = lease if whole else await queue.lease(job_id)
                assert held
                own = values[span.first * row_bytes : (span.last + 1) * row_bytes] if not whole else values
                for number, piece in enumerate(_pieces(own)):
                    assert await queue.put_values(held, number, piece)
                await queue.finish(held, attempt(held.chunk.id), PARTIAL, SUMMARY if whole else None)
            if not whole:
                last = await queue.lease(job_id)
                assert last
                assert last.chunk.kind == "close"
                await queue.finish(last, attempt("close"), None, SUMMARY)

        self.act(play)


def _pieces(values: bytes | Iterable[bytes]) -> Iterable[bytes]:
    if not isinstance(values, bytes):
        return values
    return [values[at : at + PIECE_BYTES] for at in range(0, len(values), PIECE_BYTES)]


def read_input(url: str, job_id: str, part: str) -> bytes:
    """What lies in the blob store as one part of a job."""
    from jobs.blobs import read_blob

    async def read() -> bytes:
        redis = Redis.from_url(url)
        try:
            blob = (await Store(redis, job_ttl_s=1).job(job_id)).inputs[part].blob
            assert blob
            return await read_blob(redis, blob, 0, blob.size)
        finally:
            await redis.aclose()

    return asyncio.run(read())
