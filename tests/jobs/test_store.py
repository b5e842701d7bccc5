"""The store and the queue on a real Valkey: every operation, and what a stale token may not do."""

import asyncio
import os
from typing import Any

import pytest

from jobs import errors
from jobs.blobs import BlobGone, BlobWriter
from jobs.outcomes import Attempt, Evidence, Outcome
from jobs.protocol import PIECE_BYTES, encode
from jobs.queue import Decision, Lease
from jobs.records import Chunk, JobError, Layout, ModelInfo, Partial
from jobs.spans import Span
from jobs.states import ChunkState, JobState
from tests.jobs.conftest import Bench

pytestmark = pytest.mark.anyio

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
PARTIAL = Partial(rows=1, abs_sum=[[1.0]], value_sum=[[1.0]], largest_error=0.0, tolerance=1.0)


FRAME = encode(PARTIAL)


def attempt(chunk: str, outcome: Outcome = Outcome.SUCCEEDED, peak: int = 0) -> Attempt:
    return Attempt(chunk=chunk, attempt=1, outcome=outcome, supervisor="sup", evidence=Evidence(peak_bytes=peak))


def span(first: int, last: int) -> Span:
    return Span(first=first, last=last, span_first=first, start=8 * first, end=8 * (last + 1))


async def lease(bench: Bench, job_id: str) -> Lease:
    found = await bench.queue.lease(job_id)
    assert found
    return found


async def opened(bench: Bench, job_id: str, *spans: Span) -> Lease:
    """Lease and plan a job; with one span the lease goes on as that chunk's."""
    held = await lease(bench, job_id)
    goes_on = len(spans) == 1
    assert await bench.queue.plan(
        held,
        model=MODEL,
        layout=LAYOUT,
        rows=spans[-1].last + 1,
        spans=list(spans),
        cap_bytes=7,
        attempt=None if goes_on else attempt("open"),
    )
    return held


async def finish(bench: Bench, held: Lease, value: bytes, summary: dict[str, int] | None = None) -> bool:
    await bench.queue.put_values(held, 0, value * held.chunk.span.rows)
    partial = PARTIAL if held.chunk.kind == "rows" else None
    return await bench.queue.finish(held, attempt(held.chunk.id), partial, summary)


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


async def test_a_jobs_whole_life(bench: Bench) -> None:
    job_id = await bench.submit()
    assert (await bench.store.job(job_id)).state is JobState.QUEUED
    assert await bench.queue.next_job() == job_id
    await opened(bench, job_id, span(0, 4), span(5, 9))
    job = await bench.store.job(job_id)
    assert (job.state, job.rows, job.chunks, job.cap_bytes) == (JobState.STARTED, 10, 2, 7)
    second, first = await lease(bench, job_id), await lease(bench, job_id)
    assert await bench.queue.lease(job_id) is None
    assert await finish(bench, first, b"bbbbbbbb")
    assert await finish(bench, second, b"aaaaaaaa")
    assert (await places(bench, job_id))["results"] == ["0-4", "5-9"]
    close = await lease(bench, job_id)
    assert close.chunk.kind == "close"
    assert await bench.queue.partial_sizes(job_id) == [len(FRAME)] * 2
    assert await bench.queue.partials(job_id, 0, 2) == FRAME * 2
    assert await finish(bench, close, b"", {"top": 1})
    job = await bench.store.job(job_id)
    assert (job.state, job.summary, job.attempts) == (JobState.FINISHED, {"top": 1}, 4)
    found = b"".join([piece async for piece in bench.store.values(job_id, row_bytes=8, first=3, last=6)])
    assert found == b"a" * 16 + b"b" * 16
    assert await places(bench, job_id) == {
        "pending": [],
        "leased": [],
        "leases": [],
        "results": ["0-4", "5-9"],
        "ready": [],
    }


async def test_who_sums_up_a_job_that_has_ended_hears_that_its_partials_are_gone(bench: Bench) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 4), span(5, 9))
    for held in (await lease(bench, job_id), await lease(bench, job_id)):
        assert await finish(bench, held, b"aaaaaaaa")
    await lease(bench, job_id)
    assert await bench.store.cancel(job_id) is JobState.CANCELLED
    with pytest.raises(BlobGone):
        await bench.queue.partials(job_id, 0, 2)


async def test_a_small_job_goes_on_under_the_same_token(bench: Bench) -> None:
    job_id = await bench.submit()
    held = await opened(bench, job_id, span(0, 4))
    assert held.chunk.id == "0-4"
    assert (await places(bench, job_id))["leased"] == ["0-4"]
    assert await finish(bench, held, b"aaaaaaaa", {"top": 1})
    assert (await bench.store.job(job_id)).state is JobState.FINISHED


async def test_a_stale_token_changes_nothing(bench: Bench) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 4), span(5, 9))
    stale = await lease(bench, job_id)
    retry = Decision(action="retry", counts="crashes")
    assert await bench.queue.settle(stale, attempt("0-4", Outcome.SUPERVISOR_LOST), retry)
    fresh = await lease(bench, job_id)
    assert (fresh.chunk.id, fresh.token > stale.token) == (stale.chunk.id, True)
    before = await bench.redis.dump(f"shap:job:{job_id}"), await places(bench, job_id)
    fail = Decision(action="fail", counts="attempts", error=JobError(code="c", message="m"))
    assert not await bench.queue.renew(stale)
    assert not await bench.queue.put_values(stale, 0, b"x")
    assert not await bench.queue.finish(stale, attempt("0-4"), PARTIAL, None)
    assert not await bench.queue.settle(stale, attempt("0-4"), fail)
    assert (await bench.redis.dump(f"shap:job:{job_id}"), await places(bench, job_id)) == before
    assert await finish(bench, fresh, b"aaaaaaaa")
    assert not await finish(bench, fresh, b"aaaaaaaa"), "a duplicate commit"


async def test_values_of_an_attempt_that_failed_are_dropped(bench: Bench) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 4), span(5, 9))
    held = await lease(bench, job_id)
    for number in range(3):
        await bench.queue.put_values(held, number, b"x")
    await bench.queue.settle(held, attempt("0-4", Outcome.CRASHED), Decision(action="retry", counts="attempts"))
    assert not await bench.redis.exists(f"shap:job:{job_id}:values")


async def test_halving_puts_both_halves_in_front(bench: Bench) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 3), span(4, 7))
    held = await lease(bench, job_id)
    halves = [Chunk.of_span(span(0, 1)), Chunk.of_span(span(2, 3))]
    after = Decision(action="halve", counts="attempts", chunks=halves)
    assert await bench.queue.settle(held, attempt("0-3", Outcome.MEMORY_CAP, peak=99), after)
    assert (await places(bench, job_id))["pending"] == ["0-1", "2-3", "4-7"]
    job = await bench.store.job(job_id)
    assert (job.chunks, job.attempts, job.peak_bytes) == (3, 2, 99)


async def test_a_failed_job_leaves_no_chunk_and_no_upload(bench: Bench) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 4), span(5, 9), span(10, 14))
    done, bad = await lease(bench, job_id), await lease(bench, job_id)
    await finish(bench, done, b"aaaaaaaa")
    fail = Decision(action="fail", counts="attempts", error=JobError(code="crashed", message="m"))
    assert await bench.queue.settle(bad, attempt("5-9", Outcome.CRASHED), fail)
    job = await bench.store.job(job_id)
    assert (job.state, job.error and job.error.code) == (JobState.FAILED, "crashed")
    assert set(map(tuple, (await places(bench, job_id)).values())) == {()}
    assert not await bench.redis.keys("shap:blob:*")
    for key in await bench.redis.keys(f"shap:job:{job_id}*"):
        assert await bench.redis.ttl(key) > 0
    assert not await bench.store.has_values(job_id)


async def test_scripts_that_were_sent_twice_do_what_one_would_have_done(bench: Bench) -> None:
    """redis-py sends again when a reply is lost."""
    for name in ("_submit", "_cancel"):
        setattr(bench.store, name, twice(getattr(bench.store, name)))
    scripts = bench.queue._scripts
    for name in set(scripts) - {"lease"}:
        scripts[name] = twice(scripts[name])
    job_id = await bench.submit(key="k")
    assert (await places(bench, job_id))["pending"] == ["open"]
    held = await opened(bench, job_id, span(0, 4))
    assert held.chunk.id == "0-4"
    await bench.queue.put_values(held, 0, b"a" * 40)
    retry = Decision(action="retry", counts="attempts")
    await bench.queue.settle(held, attempt("0-4", Outcome.RAISED), retry)
    assert (await places(bench, job_id))["pending"] == ["0-4"]
    await finish(bench, await lease(bench, job_id), b"aaaaaaaa", {"top": 1})
    job = await bench.store.job(job_id)
    assert (job.state, job.attempts, job.rows_done) == (JobState.FINISHED, 2, 5)


def twice(script: Any) -> Any:
    async def call(**arguments: Any) -> Any:
        await script(**arguments)
        return await script(**arguments)

    return call


async def test_only_an_expired_lease_can_be_rescued(bench: Bench) -> None:
    job_id = await bench.submit()
    held = await lease(bench, job_id)
    lost, retry = attempt("open", Outcome.SUPERVISOR_LOST), Decision(action="retry", counts="crashes")
    assert (await bench.queue.expired())[0] == []
    assert not await bench.queue.settle(held, lost, retry, expired_only=True)
    await bench.redis.zadd("shap:leases", {f"{job_id}/open": 1})
    assert [found.chunk.id for found in (await bench.queue.expired())[0]] == ["open"]
    assert await bench.queue.renew(held)
    assert (await bench.queue.expired())[0] == []
    await bench.redis.zadd("shap:leases", {f"{job_id}/open": 1})
    assert await bench.queue.settle(held, lost, retry, expired_only=True)
    assert (await bench.store.job(job_id)).crashes == 1


async def test_cancel_ends_everything_and_a_second_one_changes_nothing(bench: Bench) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 4), span(5, 9))
    held = await lease(bench, job_id)
    assert await bench.store.cancel(job_id) is JobState.CANCELLED
    assert not await bench.queue.renew(held)
    assert set(map(tuple, (await places(bench, job_id)).values())) == {()}
    assert await bench.store.cancel(job_id) is JobState.CANCELLED
    with pytest.raises(errors.UnknownJob):
        await bench.store.cancel("none")


async def test_the_end_of_a_job_is_announced(bench: Bench) -> None:
    async with bench.redis.pubsub() as listener:
        await listener.subscribe("shap:ended")
        job_id = await bench.submit()
        await bench.store.cancel(job_id)
        async with asyncio.timeout(5):
            async for message in listener.listen():
                if message["type"] == "message":
                    assert message["data"].decode() == job_id
                    return


async def test_an_idempotency_key_gives_the_first_job_and_drops_the_second_upload(bench: Bench) -> None:
    first = await bench.submit(b"rows", key="k")
    assert await bench.submit(b"rows", key="k") == first
    assert len(await bench.redis.keys("shap:blob:*")) == 1
    with pytest.raises(errors.IdempotencyMismatch):
        await bench.submit(b"other rows", key="k")
    with pytest.raises(errors.IdempotencyMismatch):
        await bench.submit(b"rows", key="k", interactions=True)
    assert await bench.submit(b"rows", key="another") != first


async def test_a_job_over_an_upload_that_expired_is_not_accepted(bench: Bench) -> None:
    blob = await bench.upload(b"rows")
    await bench.redis.delete(f"shap:blob:{blob.id}")
    from jobs.options import Options
    from jobs.records import Input

    with pytest.raises(errors.StorageUnavailable):
        await bench.store.submit({"data": Input(blob=blob)}, Options())
    assert not await bench.redis.keys("shap:job:*")


async def test_blobs_are_read_back_at_any_offset(bench: Bench) -> None:
    content = os.urandom(2 * PIECE_BYTES + 1000)
    writer = BlobWriter(bench.store.blobs)
    for start in range(0, len(content), 70_001):
        await writer.write(content[start : start + 70_001])
    blob = await writer.finish()
    assert blob.size == len(content)
    for offset, length in ((0, 10), (PIECE_BYTES - 5, 10), (2 * PIECE_BYTES + 990, 100), (len(content), 5), (3, 0)):
        assert await bench.store.blobs.read(blob, offset, length) == content[offset : offset + length]
    assert 0 < await bench.redis.ttl(f"shap:blob:{blob.id}") <= 3600
    await writer.discard()
    with pytest.raises(BlobGone):
        await bench.store.blobs.read(blob, 0, 1)


async def test_jobs_are_listed_newest_first_and_expired_ones_forgotten(bench: Bench) -> None:
    ids = [await bench.submit() for _ in range(3)]
    assert [job.job_id for job in await bench.store.jobs()] == ids[::-1]
    assert [job.job_id for job in await bench.store.jobs(offset=1, limit=1)] == [ids[1]]
    await bench.redis.delete(f"shap:job:{ids[1]}")
    assert [job.job_id for job in await bench.store.jobs()] == [ids[2], ids[0]]
    assert await bench.redis.zcard("shap:jobs") == 2
    with pytest.raises(errors.UnknownJob):
        await bench.store.job(ids[1])


async def test_jobs_take_turns(bench: Bench) -> None:
    ids = [await bench.submit() for _ in range(2)]
    assert {await bench.queue.next_job(), await bench.queue.next_job()} == set(ids)


async def test_every_chunk_is_in_one_place_whatever_two_supervisors_do(bench: Bench) -> None:
    """Two supervisors lease at the same time: no chunk goes to both."""
    job_id = await bench.submit()
    await opened(bench, job_id, *(span(row, row) for row in range(40)))
    other = bench.supervisor("other")
    found = await asyncio.gather(*(queue.lease(job_id) for _ in range(20) for queue in (bench.queue, other)))
    ids = [held.chunk.id for held in found if held]
    assert len(ids) == len(set(ids)) == 40
    assert len({held.token for held in found if held}) == 40
    chunks = await bench.redis.hvals(f"shap:job:{job_id}:chunks")
    assert sum(ChunkState.LEASED.value.encode() in chunk for chunk in chunks) == 40
