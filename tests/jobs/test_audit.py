"""A store broken by hand in each way: the audit finds it, changes nothing unless told to, and mends it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis

from jobs.audit import MEANINGS, Audit
from jobs.heartbeats import Heartbeats
from jobs.states import JobState
from supervisor.chunks.rescue import rescue
from tests.jobs.conftest import Bench
from tests.jobs.invariants import DUMP, Picture, check
from tests.jobs.steps import finish, lease, opened, span

pytestmark = pytest.mark.anyio
Break = Callable[[Any, str], Any]


def change(client: Any, job_id: str, chunk: str, **fields: Any) -> None:
    key = f"shap:job:{job_id}:chunks"
    client.hset(key, chunk, json.dumps(json.loads(client.hget(key, chunk)) | fields, separators=(",", ":")))


LIVING: dict[str, tuple[Break, set[str]]] = {
    "not_held": (lambda r, j: r.rpush("shap:supervisor:x:leased", f"{j}/10-14"), {"not_held"}),
    "lease_of_nothing": (lambda r, j: r.zadd("shap:leases", {f"{j}/10-14": 9e9}), {"lease_of_nothing"}),
    "not_pending": (lambda r, j: r.rpush(f"shap:job:{j}:pending", "0-4"), {"not_pending"}),
    "pending_twice": (lambda r, j: r.rpush(f"shap:job:{j}:pending", "10-14"), {"not_pending"}),
    "not_queued": (lambda r, j: r.lrem(f"shap:job:{j}:pending", 0, "10-14"), {"not_queued", "not_ready"}),
    "not_in_list": (lambda r, j: r.lrem("shap:supervisor:sup:leased", 0, f"{j}/5-9"), {"not_in_list"}),
    "no_deadline": (lambda r, j: r.zrem("shap:leases", f"{j}/5-9"), {"no_deadline"}),
    "miscounted": (lambda r, j: r.hset(f"shap:job:{j}", "rows_done", 77), {"miscounted"}),
    "miscounted_sample": (lambda r, j: r.hset(f"shap:job:{j}", "sample_bytes", 77), {"miscounted"}),
    "lost_sample": (lambda r, j: r.delete(f"shap:job:{j}:sample"), {"miscounted"}),
    "sample_expires": (lambda r, j: r.expire(f"shap:job:{j}:sample", 100), {"expires"}),
    "not_in_rotation": (lambda r, j: r.lrem("shap:ready", 0, j), {"not_in_rotation"}),
    "in_rotation_twice": (lambda r, j: r.rpush("shap:ready", j), {"not_ready"}),
    "expires": (lambda r, j: r.expire(f"shap:job:{j}:chunks", 100), {"expires"}),
    "upload_expires": (lambda r, j: r.expire(r.keys("shap:blob:*")[0], 100), {"expires"}),
    "not_listed": (lambda r, j: r.zrem("shap:jobs", j), {"not_listed"}),
    "orphaned_blob": (lambda r, j: r.hset("shap:blob:x", "0", "x"), {"orphaned_blob"}),
    "unused_key": (lambda r, j: r.set("shap:idempotency:x", "a b"), {"unused_key"}),
    "no_record": (lambda r, j: r.hset("shap:job:gone:chunks", "open", "{}"), {"no_record"}),
    "ready_without_job": (lambda r, j: r.rpush("shap:ready", "gone"), {"not_ready"}),
    "lease_without_job": (lambda r, j: r.zadd("shap:leases", {"gone/0-1": 9e9}), {"lease_of_nothing"}),
    "entry_without_job": (lambda r, j: r.rpush("shap:supervisor:x:leased", "gone/0-1"), {"not_held"}),
    "silent_supervisor": (lambda r, j: r.zadd("shap:supervisors", {"x": 1}), {"silent_supervisor"}),
    "miscounted_jobs": (lambda r, j: r.hincrby("shap:caller:", "jobs", 5), {"miscounted"}),
    "miscounted_bytes": (lambda r, j: r.hincrby("shap:caller:", "bytes", -3), {"miscounted"}),
    "charged_wrongly": (lambda r, j: r.hset(f"shap:job:{j}", "charged", 999), {"miscounted"}),
    "kept_nothing": (lambda r, j: r.zadd("shap:caller::kept", {"gone:0": 9e9}), {"kept_nothing"}),
    "in_anothers_rotation": (
        lambda r, j: (r.sadd("shap:callers", "alice"), r.rpush("shap:ready:alice", j)),
        {"not_ready", "no_turn"},
    ),
    "foreign_lease": (lambda r, j: r.delete("shap:supervisor:sup"), {"foreign_lease"}),
}
ENDED: dict[str, tuple[Break, set[str]]] = {
    "no_ttl": (lambda r, j: r.persist(f"shap:job:{j}:attempts"), {"no_ttl"}),
    "record_without_ttl": (lambda r, j: r.persist(f"shap:job:{j}"), {"no_ttl"}),
    "not_ready": (lambda r, j: r.rpush("shap:ready", j), {"not_ready"}),
    "surplus": (lambda r, j: r.rpush(f"shap:job:{j}:pending", "0-4"), {"surplus"}),
    "surplus_sample": (lambda r, j: r.hset(f"shap:job:{j}:sample", "0-4", "x"), {"surplus", "no_ttl"}),
    "unburied": (lambda r, j: change(r, j, "5-9", state="pending"), {"unburied"}),
    "surplus_blob": (
        lambda r, j: r.hset(f"shap:blob:{json.loads(r.hget(f'shap:job:{j}', 'blobs'))[0]}", "0", "x"),
        {"surplus"},
    ),
    "lease_of_the_dead": (lambda r, j: r.zadd("shap:leases", {f"{j}/5-9": 9e9}), {"lease_of_nothing"}),
}


class Broken:
    """A job with a chunk done, one leased and one pending; the supervisor is alive."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.client: Any = redis.Redis.from_url(bench.url)

    async def begin(self) -> str:
        job_id = await self.bench.submit()
        await opened(self.bench, job_id, span(0, 4), span(5, 9), span(10, 14))
        await finish(self.bench, await lease(self.bench, job_id), b"aaaaaaaa", sampled=True)
        await lease(self.bench, job_id)
        await Heartbeats(self.bench.redis, "sup").beat({"name": "sup"}, ttl_s=60)
        assert self.codes() == []
        return job_id

    def codes(self, *, apply: bool = False) -> list[str]:
        return [finding.code for finding in Audit(self.client, job_ttl_s=60, apply=apply).run()]

    def look(self) -> Picture:
        return Picture(self.client.eval(DUMP, 0))

    async def finish_all(self, job_id: str) -> JobState:
        """Nothing that was broken keeps the job from its end."""
        for member in self.client.zrange("shap:leases", 0, -1):
            self.client.zadd("shap:leases", {member: 1})
        await rescue(self.bench.queue, max_attempts=3)
        while held := await self.bench.queue.lease(job_id):
            await finish(self.bench, held, b"aaaaaaaa", {"a": 1} if held.chunk.kind == "close" else None)
        return (await self.bench.store.job(job_id)).state

    def check_mending(self, expected: set[str]) -> None:
        before = self.look()
        assert set(self.codes()) == expected
        assert self.look() == before, "a dry run changed something"
        assert set(self.codes(apply=True)) <= expected
        assert self.codes() == []
        check(self.look())


@pytest.fixture
async def broken(bench: Bench) -> Broken:
    return Broken(bench)


@pytest.mark.parametrize("name", LIVING)
async def test_a_living_job_is_mended_and_goes_on(broken: Broken, name: str) -> None:
    breaks, expected = LIVING[name]
    job_id = await broken.begin()
    breaks(broken.client, job_id)
    broken.check_mending(expected)
    assert await broken.finish_all(job_id) is JobState.FINISHED


@pytest.mark.parametrize("name", ENDED)
async def test_an_ended_job_is_cleared_up(broken: Broken, name: str) -> None:
    breaks, expected = ENDED[name]
    job_id = await broken.begin()
    await broken.bench.store.cancel(job_id)
    breaks(broken.client, job_id)
    broken.check_mending(expected)


async def test_what_was_kept_counts_until_it_is_released(broken: Broken) -> None:
    """Its time is over and its result has gone; the next look at the caller's bytes takes both away together."""
    await broken.begin()
    broken.client.zadd("shap:caller::kept", {"gone:5": 1})
    broken.client.hincrby("shap:caller:", "bytes", 5)
    assert broken.codes(apply=True) == []
    assert broken.client.zrange("shap:caller::kept", 0, -1) == [b"gone:5"]


async def test_a_models_bytes_count_for_its_owner_alone(broken: Broken) -> None:
    await broken.begin()
    broken.client.hset("shap:models", "m", json.dumps({"blob": {"id": "x"}}))
    for owner, found in (("alice", False), ("", True)):
        broken.client.hset("shap:blob:x", mapping={"registered": 1, "caller": owner, "bytes": 7})
        assert ("miscounted" in broken.codes()) is found


async def test_a_job_whose_chunks_are_lost_ends_as_failed(broken: Broken) -> None:
    job_id = await broken.begin()
    broken.client.delete(f"shap:job:{job_id}:chunks")
    assert "stuck" in broken.codes()
    broken.codes(apply=True)
    job = await broken.bench.store.job(job_id)
    assert (job.state, job.error and job.error.code) == (JobState.FAILED, "store_damaged")
    assert broken.codes() == []


async def test_a_job_that_nobody_summed_up_is_closed(broken: Broken) -> None:
    job_id = await broken.bench.submit()
    await opened(broken.bench, job_id, span(0, 4), span(5, 9))
    for _ in range(2):
        await finish(broken.bench, await lease(broken.bench, job_id), b"aaaaaaaa")
    await Heartbeats(broken.bench.redis, "sup").beat({"name": "sup"}, ttl_s=60)
    broken.client.hdel(f"shap:job:{job_id}:chunks", "close")
    broken.client.delete(f"shap:job:{job_id}:pending", "shap:ready")
    broken.check_mending({"not_closed"})
    assert await broken.finish_all(job_id) is JobState.FINISHED


def test_every_finding_has_a_meaning_and_a_test() -> None:
    tested = {code for _, codes in (*LIVING.values(), *ENDED.values()) for code in codes}
    assert set(MEANINGS) == tested | {"stuck", "not_closed", "unreadable", "unknown_caller"}


@pytest.mark.parametrize(("chunk", "left"), [("5-9", 1), ("10-14", 0)])
async def test_of_entries_that_came_twice_one_stays_where_a_lease_stands_behind_it(
    broken: Broken, chunk: str, left: int
) -> None:
    """0-4 is done, 5-9 leased, 10-14 pending."""
    job_id = await broken.begin()
    name = "shap:supervisor:sup:leased"
    for _ in range(2):
        broken.client.rpush(name, f"{job_id}/{chunk}")
    broken.check_mending({"not_held"})
    assert broken.client.lrange(name, 0, -1).count(f"{job_id}/{chunk}".encode()) == left
    assert await broken.finish_all(job_id) is JobState.FINISHED


async def test_every_entry_of_a_list_is_looked_at(broken: Broken) -> None:
    await broken.begin()
    broken.client.rpush("shap:supervisor:x:leased", "gone/0-1", "gone/2-3", "gone/4-5")
    assert broken.codes() == ["not_held"] * 3
    broken.codes(apply=True)
    assert broken.codes() == []


async def test_a_caller_whose_turn_was_lost_has_one_again(broken: Broken) -> None:
    """An older version's jobs get theirs by themselves: see `scripts/rotate.lua`."""
    job_id = await broken.bench.submit(caller="alice")
    broken.client.delete("shap:turns")
    broken.check_mending({"no_turn"})
    assert await broken.bench.queue.next_caller() == "alice"
    assert await broken.bench.queue.lease(job_id)


async def test_a_caller_that_was_lost_is_listed_again(broken: Broken) -> None:
    job_id = await broken.bench.submit(caller="alice")
    broken.client.delete("shap:callers")
    assert broken.codes() == ["unknown_caller"]
    broken.codes(apply=True)
    assert broken.codes() == []
    assert [job.job_id for job in (await broken.bench.store.jobs()).jobs] == [job_id]


async def test_counters_are_right_again_when_a_whole_job_was_lost(broken: Broken) -> None:
    for _ in range(2):
        job_id = await broken.bench.submit(b"rows", caller="alice")
    broken.client.delete(*broken.client.keys(f"shap:job:{job_id}*"))
    broken.client.zrem("shap:jobs:alice", job_id)
    assert "miscounted" in broken.codes(apply=True)
    assert broken.client.hgetall("shap:caller:alice") == {b"jobs": b"1", b"bytes": b"4"}
    assert broken.codes() == []


async def test_a_job_that_has_lost_only_the_chunks_it_still_needs_is_not_summed_up(broken: Broken) -> None:
    """All that are left are done, but they are not all the rows."""
    job_id = await broken.begin()
    broken.client.hdel(f"shap:job:{job_id}:chunks", "5-9", "10-14")
    broken.codes(apply=True)
    assert (await broken.bench.store.job(job_id)).state is JobState.FAILED
    assert broken.codes() == []
