"""Callers: the names and tokens of API_TOKENS, and that nobody has what is another's. On a real Valkey."""

import asyncio

import pytest
import redis

from jobs import callers, errors, keys
from jobs.audit import Audit
from jobs.callers import OPERATOR, UNNAMED, Caller
from jobs.formats import ModelFormat
from jobs.options import Options
from jobs.queue import Queue
from jobs.records import Input
from jobs.scripts import bare
from jobs.states import JobState
from tests.jobs.conftest import Bench
from tests.jobs.steps import attempt, done, finish, lease, opened, span

ALICE, BOB = Caller(name="alice"), Caller(name="bob")


# --- API_TOKENS ------------------------------------------------------------------------------------------------


def test_names_and_tokens() -> None:
    text = " alice=a=b , bob-2_X=c "
    assert callers.faults(text, {"API_TOKEN": "d", "ADMIN_TOKEN": None}) == []
    assert callers.named_tokens(text) == {"alice": "a=b", "bob-2_X": "c"}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("s3cret", ["entry 1 has no name", "entry 1 has no token"][1:]),
        ("=s3cret", ["entry 1 has no name"]),
        ("alice=", ["entry 1 has no token"]),
        ("alice= ,b b=s3cret", ["entry 1 has no token", "entry 2 has no name"]),
        ("alice=s3cret,", ["entry 2 has no name", "entry 2 has no token"]),
        ("alice=a,bob=s3cret,alice=b", ["entry 3 has the name of entry 1"]),
        ("alice=s3cret,bob=s3cret", ["entry 2 has the token of entry 1"]),
        ("alice=shared", ["entry 1 has the token of ADMIN_TOKEN"]),
        (f"{'a' * 64}=x,{'b' * 65}=y", ["entry 2 has no name"]),
        ("ali/ce=a,b:ob=b,*=c", [f"entry {number} has no name" for number in (1, 2, 3)]),
    ],
)
def test_every_fault_is_named_by_its_entry_and_without_any_token(text: str, faults: list[str]) -> None:
    found = callers.faults(text, {"ADMIN_TOKEN": "shared"})
    assert [len(found), *(any(fault in one for one in found) for fault in faults)] == [
        len(faults),
        *[True] * len(faults),
    ]
    assert not any(secret in one for one in found for secret in ("s3cret", "shared"))


# --- whose things are whose ------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_another_callers_job_is_none(bench: Bench) -> None:
    job_id = await bench.submit(caller=ALICE)
    for other in (bench.store_of(BOB), bench.store_of(UNNAMED)):
        for act in (other.job, other.cancel, other.forget_values):
            with pytest.raises(errors.UnknownJob) as refused:
                await act(job_id)
            with pytest.raises(errors.UnknownJob) as unknown:
                await act("never-was")
            assert refused.value.message == unknown.value.message.replace("never-was", job_id)
        assert (await other.jobs()).jobs == []
    for own in (bench.store_of(ALICE), bench.store_of(OPERATOR)):
        assert [job.job_id for job in (await own.jobs()).jobs] == [job_id]
        assert (await own.job(job_id)).caller == "alice"
    assert await bench.store_of(ALICE).cancel(job_id) is JobState.CANCELLED


@pytest.mark.anyio
async def test_the_operator_cancels_and_lists_everybodys(bench: Bench) -> None:
    ids = [await bench.submit(caller=caller) for caller in (ALICE, UNNAMED, BOB, ALICE, BOB, BOB)]
    listed = [job.job_id for job in (await bench.store.jobs()).jobs]
    assert listed == ids[::-1]
    assert [job.job_id for job in (await bench.store.jobs(offset=1, limit=2)).jobs] == ids[4:2:-1]
    assert [job.job_id for job in (await bench.store_of(UNNAMED).jobs()).jobs] == [ids[1]]
    assert await bench.store.cancel(ids[2]) is JobState.CANCELLED
    await bench.redis.delete(keys.job(ids[3]))
    assert [job.job_id for job in (await bench.store.jobs()).jobs] == [ids[5], ids[4], *ids[2::-1]]
    assert await bench.redis.zcard("shap:jobs:alice") == 1, "what has expired leaves its caller's list"


@pytest.mark.anyio
async def test_an_idempotency_key_of_two_callers_is_two_keys(bench: Bench) -> None:
    ids = [await bench.submit(key="k", caller=caller) for caller in (ALICE, BOB, UNNAMED)]
    assert len(set(ids)) == 3
    assert [await bench.submit(key="k", caller=caller) for caller in (ALICE, BOB, UNNAMED)] == ids
    assert await bench.submit(b"other", key="k2", caller=BOB) not in ids
    assert await bench.submit(b"others", key="k2", caller=ALICE) not in ids


@pytest.mark.anyio
async def test_a_models_name_of_two_callers_is_two_models(bench: Bench) -> None:
    models = {}
    for caller in (ALICE, BOB, UNNAMED):
        blob = await bench.upload(caller.name.encode() or b"x")
        models[caller], is_new = await bench.store_of(caller).models.put("churn", blob, ModelFormat.SKOPS)
        assert is_new
    for caller, model in models.items():
        assert await bench.store_of(caller).models.all() == [model]
        assert await bench.store_of(caller).models.get("churn") == model
    assert await bench.store_of(ALICE).models.delete("churn")
    assert await bench.store_of(ALICE).models.get("churn") is None
    assert await bench.store_of(BOB).models.get("churn") == models[BOB]
    assert sorted(await bench.store.whose()) == ["", "alice", "bob"]
    assert await bench.store_of(BOB).whose() == ["bob"]


# --- whose turn it is ------------------------------------------------------------------------------------------


async def served(queue: Queue, count: int) -> list[str]:
    """Whose jobs the next leases are of; each is done at once."""
    found = []
    for _ in range(count):
        caller = await queue.next_caller()
        held = None if caller is None else await queue.lease(caller=caller)
        found.append("none" if held is None else held.fields.get(b"caller", b"").decode())
    return found


@pytest.mark.anyio
async def test_a_single_job_starts_before_a_thousand_of_another_caller(bench: Bench) -> None:
    inputs = [await bench.submit(caller=ALICE) for _ in range(1000)]
    assert await served(bench.queue, 3) == ["alice"] * 3
    await bench.submit(caller=BOB)
    assert "bob" in await served(bench.queue, 2)
    assert await served(bench.queue, 3) == ["alice"] * 3
    assert await bench.redis.lrange(keys.TURNS, 0, -1) == [b"alice"]
    assert len(inputs) == 1000


@pytest.mark.anyio
async def test_callers_take_turns_and_then_their_jobs(bench: Bench) -> None:
    for caller in (ALICE, BOB, UNNAMED):
        for _ in range(2):
            await opened(bench, await bench.submit(caller=caller), span(0, 4), span(5, 9))
    assert sorted(await served(bench.queue, 3)) == ["", "alice", "bob"]
    assert sorted(await served(bench.queue, 6)) == sorted(["", "alice", "bob"] * 2)
    jobs = await bench.redis.lrange(keys.own(keys.READY, "alice"), 0, -1)
    assert len(jobs) == 1, "three of its four chunks are leased: its jobs took turns"
    assert set(await served(bench.queue, 3)) == {"", "alice", "bob"}
    assert not await bench.queue.has_ready()
    assert not await bench.redis.exists(keys.TURNS)


@pytest.mark.anyio
async def test_jobs_that_an_older_version_has_queued_get_a_turn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.queue.BLOCK_S", 0.01)
    for _ in range(2):
        await bench.submit()
    await bench.redis.delete(keys.TURNS, "shap:caller:")
    async for key in bench.redis.scan_iter("shap:job:*"):
        if key.count(b":") == 2:
            await bench.redis.hdel(key, "charged")
    assert await bench.queue.has_ready()
    assert await served(bench.queue, 2) == ["", ""]
    await bench.redis.delete(keys.TURNS)
    for caller in (ALICE, ALICE, ALICE, UNNAMED):
        await bench.submit(caller=caller)
    await bench.redis.lrem(keys.TURNS, 0, "")
    assert await served(bench.queue, 3) == ["alice", "alice", ""], "also while others keep the slots busy"


@pytest.mark.anyio
async def test_a_turn_without_jobs_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.queue.BLOCK_S", 0.01)
    await bench.redis.rpush(keys.TURNS, "alice", "")
    assert await served(bench.queue, 2) == ["none", "none"]
    assert await bench.queue.next_caller() is None


@pytest.mark.anyio
async def test_a_job_in_the_wrong_rotation_leaves_it(bench: Bench) -> None:
    """As a supervisor of an older version puts it, which knows no callers."""
    job_id = await bench.submit(caller=ALICE)
    await lease(bench, job_id)
    await bench.redis.rpush(keys.READY, job_id)
    await bench.redis.rpush(keys.TURNS, "")
    assert await served(bench.queue, 1) == ["none"]
    assert not await bench.redis.exists(keys.READY, keys.TURNS)


# --- how much each has -----------------------------------------------------------------------------------------


async def has(bench: Bench, caller: str) -> tuple[int, int]:
    """Jobs and bytes."""
    jobs, size = await bench.store._account(args=["", caller])
    return jobs, size


@pytest.mark.anyio
async def test_jobs_and_bytes_of_a_job_are_its_callers_until_its_end(bench: Bench) -> None:
    job_id = await bench.submit(b"12345678", caller=ALICE)
    assert await has(bench, "alice") == (1, 8)
    await opened(bench, job_id, span(0, 4), span(5, 9))
    held = [await lease(bench, job_id) for _ in range(2)]
    await finish(bench, held[0], b"aaaaaaaa")
    assert await has(bench, "alice") == (1, 8 + 5 * 8)
    await bench.queue.finish(held[0], attempt("0-4"), done())
    assert await has(bench, "alice") == (1, 8 + 5 * 8), "sent again it is counted once"
    await finish(bench, held[1], b"aaaaaaaa")
    await finish(bench, await lease(bench, job_id), b"", {"a": 1})
    assert await has(bench, "alice") == (0, 80)
    assert (await has(bench, "bob"), await has(bench, "")) == ((0, 0), (0, 0))


async def finished(bench: Bench, caller: Caller) -> str:
    """A job of ten rows."""
    job_id = await bench.submit(b"12345678", caller=caller)
    held = await opened(bench, job_id, span(0, 9))
    await finish(bench, held, b"aaaaaaaa", {"a": 1})
    return job_id


@pytest.mark.anyio
async def test_a_result_is_its_callers_until_it_expires_or_is_forgotten(bench: Bench) -> None:
    for _ in range(2):
        job_id = await finished(bench, ALICE)
    assert await has(bench, "alice") == (0, 160)
    await bench.store_of(ALICE).forget_values(job_id)
    await bench.store_of(ALICE).forget_values(job_id)
    assert await has(bench, "alice") == (0, 80)
    (left,) = await bench.redis.zrange("shap:caller:alice:kept", 0, -1)
    await bench.redis.zadd("shap:caller:alice:kept", {left: 1})
    assert await has(bench, "alice") == (0, 0)
    assert not await bench.redis.exists("shap:caller:alice:kept")


@pytest.mark.anyio
@pytest.mark.parametrize("opens", [False, True])
async def test_a_cancelled_job_leaves_nothing_behind(bench: Bench, opens: bool) -> None:
    job_id = await bench.submit(caller=ALICE)
    if opens:
        await opened(bench, job_id, span(0, 4), span(5, 9))
        await finish(bench, await lease(bench, job_id), b"aaaaaaaa")
    for _ in range(2):
        await bench.store_of(ALICE).cancel(job_id)
    assert await has(bench, "alice") == (0, 0)


@pytest.mark.anyio
async def test_a_model_is_its_callers_until_its_bytes_go(bench: Bench) -> None:
    store = bench.store_of(ALICE)
    model, _ = await store.models.put("churn", await bench.upload(b"12345"), ModelFormat.SKOPS)
    await store.models.put("churn", model.blob, ModelFormat.SKOPS)
    assert await has(bench, "alice") == (0, 5)
    from tests.jobs.test_registered import job_over

    job_id = await job_over(bench, model)  # of the unnamed caller, who names its bytes only
    await store.models.put("churn", await bench.upload(b"123"), ModelFormat.SKOPS)
    assert await has(bench, "alice") == (0, 8), "a job still uses the other one"
    assert await has(bench, "") == (1, 4)
    await bench.store.cancel(job_id)
    assert await has(bench, "alice") == (0, 3)
    await store.models.delete("churn")
    assert await has(bench, "alice") == (0, 0)
    assert not await bench.redis.exists("shap:caller:alice"), "who has nothing and never had a job leaves no count"


@pytest.mark.anyio
async def test_a_deleted_model_that_a_job_still_uses_is_counted(bench: Bench) -> None:
    """It is no longer in the list of models: only its job tells of it."""
    store = bench.store_of(ALICE)
    model, _ = await store.models.put("churn", await bench.upload(b"12345"), ModelFormat.SKOPS)
    named = Input(blob=model.blob, registered="churn")
    await store.submit({"model": named, "data": Input(blob=await bench.upload(b"data"))}, Options())
    await store.models.delete("churn")
    assert await has(bench, "alice") == (1, 9)
    with redis.Redis.from_url(bench.url) as client:
        found = [(finding.code, finding.detail) for finding in Audit(client, job_ttl_s=60).run()]
    assert [one for one in found if one[0] == "miscounted"] == []


@pytest.mark.anyio
async def test_no_more_jobs_than_the_quota_and_another_one_when_one_has_ended(bench: Bench) -> None:
    caller = Caller(name="alice", most_jobs=2)
    ids = [await bench.submit(key=f"{number}", caller=caller) for number in range(2)]
    for _ in range(2):
        with pytest.raises(errors.TooManyJobs, match="CALLER_WAITING_JOBS") as refused:
            await bench.submit(caller=caller)
        assert refused.value.detail == {"limit": 2}
    with pytest.raises(errors.TooManyJobs):
        await bench.store_of(caller).check_quota(0)
    assert await bench.submit(key="1", caller=caller) == ids[1], "a known key is no new job"
    await bench.submit(caller=BOB)
    assert len(await bench.redis.keys("shap:blob:*")) == 3, "what was refused is deleted"
    await bench.store.cancel(ids[0])
    await bench.store_of(caller).check_quota(0)
    await bench.submit(caller=caller)


@pytest.mark.anyio
async def test_a_quota_holds_for_a_crowd(bench: Bench) -> None:
    caller = Caller(name="alice", most_jobs=5)
    found = await asyncio.gather(*(bench.submit(caller=caller) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(one, errors.TooManyJobs) for one in found) == 15
    assert await has(bench, "alice") == (5, 20)


@pytest.mark.anyio
async def test_no_more_bytes_than_the_quota(bench: Bench) -> None:
    caller = Caller(name="alice", most_bytes=100)
    await finished(bench, caller)  # 80 bytes are kept
    await bench.submit(b"x" * 20, caller=caller)
    store = bench.store_of(caller)
    for act in (bench.submit(b"x", caller=caller), store.check_quota(1), store.check_quota(1, job=False)):
        with pytest.raises(errors.TooManyBytes, match="CALLER_STORED_MB") as refused:
            await act
        assert refused.value.detail == {"limit_bytes": 100}
    with pytest.raises(errors.TooManyBytes):
        await store.models.put("m", await bench.upload(b"x"), ModelFormat.SKOPS)
    await store.check_quota(0)
    (kept,) = await bench.redis.zrange("shap:caller:alice:kept", 0, -1)
    await bench.redis.zadd("shap:caller:alice:kept", {kept: 1})
    await store.models.put("m", await bench.upload(b"x" * 80), ModelFormat.SKOPS)
    await store.models.put("m", await bench.upload(b"y" * 79), ModelFormat.SKOPS)  # in the other's place
    assert await has(bench, "alice") == (1, 99)
    with pytest.raises(errors.TooManyBytes):
        await store.models.put("m", await bench.upload(b"z" * 81), ModelFormat.SKOPS)


@pytest.mark.anyio
async def test_a_job_that_an_older_version_wrote_ends_without_being_counted(bench: Bench) -> None:
    job_id = await bench.submit()
    await bench.redis.hdel(keys.job(job_id), "charged")
    await bench.redis.delete("shap:caller:")
    held = await opened(bench, job_id, span(0, 4))
    await finish(bench, held, b"aaaaaaaa", {"a": 1})
    assert await has(bench, "") == (0, 0)
    await bench.store.forget_values(job_id)
    assert await has(bench, "") == (0, 0)


async def test_requests_are_taken_until_the_minutes_are_used_up(bench: Bench) -> None:
    take = bench.redis.register_script(bare("take_requests"))
    taken = [await take(keys=["minute"], args=[25, 10, 60]) for _ in range(5)]
    assert taken == [10, 10, 5, 0, 0]


def test_whoever_has_no_name_has_no_limits() -> None:
    assert (UNNAMED.most_jobs, UNNAMED.most_bytes, UNNAMED.most_requests) == (0, 0, 0)
