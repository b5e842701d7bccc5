"""What supervisors do with chunks, on a real Valkey: every operation, and what a stale token may not do."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from jobs import errors, keys
from jobs.blobs import BlobGone
from jobs.connection import OutOfMemoryError
from jobs.outcomes import Outcome
from jobs.queue import Decision, Lease
from jobs.records import Chunk, JobError
from jobs.states import ChunkState, JobState
from tests.jobs.conftest import Bench
from tests.jobs.steps import FRAME, PARTIAL, attempt, done, finish, lease, opened, places, span

pytestmark = pytest.mark.anyio


async def test_a_jobs_whole_life(bench: Bench) -> None:
    job_id = await bench.submit()
    assert (await bench.store.job(job_id)).state is JobState.QUEUED
    assert await bench.queue.next_caller() == ""
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
    assert await bench.queue.partials(job_id, 1, 1) == await bench.queue.partials(job_id, 0, 1) == FRAME
    assert await finish(bench, close, b"", {"top": 1})
    job = await bench.store.job(job_id)
    assert (job.state, job.summary, job.attempts) == (JobState.FINISHED, {"top": 1}, 4)
    found = b"".join([piece async for piece in bench.store.results.read(job_id, row_bytes=8, first=3, last=6)])
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
    assert not await bench.queue.finish(stale, attempt("0-4"), done(PARTIAL))
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
    assert not await bench.store.results.exist(job_id)


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


async def test_jobs_take_turns(bench: Bench) -> None:
    ids = [await bench.submit() for _ in range(2)]
    for job_id in ids:
        await opened(bench, job_id, span(0, 4), span(5, 9))
    found = [await bench.queue.lease(caller="") for _ in range(4)]
    assert [held.job_id for held in found if held] == [*ids, *ids]


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


async def test_a_planned_chunk_has_no_attempt_behind_it(bench: Bench) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 4), span(5, 9))
    held = await lease(bench, job_id)
    assert (held.chunk.attempts, held.chunk.crashes, held.chunk.id) == (0, 0, "0-4")


async def test_a_lease_brings_the_jobs_record_along(bench: Bench) -> None:
    job_id = await bench.submit()
    held = await lease(bench, job_id)
    assert held.job is not None
    assert (held.job.job_id, held.token) == (job_id, held.chunk.token)


async def test_a_small_job_keeps_the_attempts_and_crashes_of_its_opening(bench: Bench) -> None:
    """Else a poison chunk would have all its tries once more."""
    job_id = await bench.submit()
    for counts, outcome in (("attempts", Outcome.RAISED), *[("crashes", Outcome.SUPERVISOR_LOST)] * 2):
        held = await lease(bench, job_id)
        assert await bench.queue.settle(held, attempt("open", outcome), Decision(action="retry", counts=counts))
    held = await opened(bench, job_id, span(0, 4))
    kept = msgspec.json.decode(await bench.redis.hget(keys.chunks(job_id), "0-4"), type=Chunk)
    assert (kept.attempts, kept.crashes) == (held.chunk.attempts, held.chunk.crashes) == (1, 2)


async def test_nobody_waits_for_long_where_no_job_is_ready(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.queue.BLOCK_S", 0.01)
    assert not await bench.queue.has_ready()
    assert await bench.queue.next_caller() is None
    await bench.submit()
    assert await bench.queue.has_ready()
    assert await bench.queue.next_caller() == "" == await bench.queue.next_caller()


async def test_a_full_store_without_work_is_asked_once_in_a_while(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing blocks, nobody may turn in circles."""
    monkeypatch.setattr("jobs.queue.BLOCK_S", 0.3)
    await bench.redis.config_set("maxmemory", 1)
    try:
        started = time.monotonic()
        assert await bench.queue.next_caller() is None
        assert time.monotonic() - started >= 0.3
    finally:
        await bench.redis.config_set("maxmemory", 0)


async def test_a_full_store_is_rotated_all_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.queue.BLOCK_S", 0.01)
    job_id = await bench.submit()
    await bench.redis.config_set("maxmemory", 1)
    try:
        assert await bench.queue.next_caller() == ""
        assert await bench.queue.lease(job_id)
        assert await bench.queue.next_caller() is None
    finally:
        await bench.redis.config_set("maxmemory", 0)


async def test_values_wait_for_room_and_not_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.queue.FULL_PATIENCE_S", 0.03)
    monkeypatch.setattr("jobs.queue.FULL_RETRY_S", 0.01)
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 4))
    held = Lease(job_id=job_id, chunk=Chunk.of_span(span(0, 4)))
    tries = []

    async def full(*_: object) -> bool:
        tries.append(True)
        if len(tries) == 3:
            return True
        raise OutOfMemoryError

    monkeypatch.setattr(bench.queue.blobs, "put_values", full)
    assert await bench.queue.put_values(held, 0, b"x")
    with pytest.raises(errors.StorageFull):
        await bench.queue.put_values(held, 0, b"x")
    assert len(tries) == 6


async def test_partials_are_listed_page_by_page(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.queue.PAGE", 2)
    job_id = await bench.submit()
    await opened(bench, job_id, *(span(row, row) for row in range(5)))
    for _ in range(5):
        await finish(bench, await lease(bench, job_id), b"aaaaaaaa")
    assert await bench.queue.partial_sizes(job_id) == [len(FRAME)] * 5
    assert await bench.queue.partials(job_id, 3, 2) == FRAME * 2
    assert await bench.queue.partials(job_id, 5, 0) == b""
    with pytest.raises(BlobGone):
        await bench.queue.partials(job_id, 3, 3)


async def test_who_rescues_hears_when_the_next_lease_is_due(bench: Bench) -> None:
    assert await bench.queue.expired() == ([], None)
    ids = [await bench.submit() for _ in range(3)]
    for job_id in ids:
        await lease(bench, job_id)
    seconds, _ = await bench.redis.time()
    dues = (seconds - 5, seconds + 40, seconds + 20)
    await bench.redis.zadd(keys.LEASES, {f"{job_id}/open": due for job_id, due in zip(ids, dues, strict=True)})
    found, next_s = await bench.queue.expired()
    assert [one.job_id for one in found] == ids[:1]
    assert next_s == pytest.approx(20, abs=2)


async def test_a_lease_of_a_job_that_is_gone_for_good_is_forgotten(bench: Bench) -> None:
    job_id = await bench.submit()
    held = await lease(bench, job_id)
    assert [(one.job_id, one.token) for one in await bench.queue.own()] == [(job_id, held.token)]
    await bench.redis.delete(keys.job(job_id), keys.chunks(job_id))
    assert await bench.queue.own() == []
    assert not await bench.redis.exists(keys.leased("sup"), keys.LEASES)


async def test_two_processes_under_a_name_are_told_apart(bench: Bench) -> None:
    held = await lease(bench, await bench.submit())
    assert held.chunk.incarnation == bench.queue.incarnation != bench.supervisor("sup").incarnation
    assert held.chunk.owner == "sup"


@pytest.mark.parametrize(("dry_run", "state"), [(True, JobState.FINISHED), (False, JobState.STARTED)])
async def test_only_a_dry_run_ends_where_others_begin(bench: Bench, dry_run: bool, state: JobState) -> None:
    """Whatever a child says that has only opened a job."""
    job_id = await bench.submit(dry_run=dry_run)
    assert await finish(bench, await lease(bench, job_id), b"", {"top": 1})
    assert (await bench.store.job(job_id)).state is state
