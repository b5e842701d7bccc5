"""What operators see: who waits and for how long, who holds what and until when."""

from typing import Any

import msgspec
import pytest

from jobs import keys, overview
from jobs.heartbeats import Heartbeats
from jobs.outcomes import Outcome
from jobs.queue import Decision
from tests.jobs.conftest import Bench
from tests.jobs.steps import attempt, lease, opened, span

pytestmark = pytest.mark.anyio


async def seen(bench: Bench) -> dict[str, Any]:
    return await overview.of_queue(bench.redis)


async def age(bench: Bench, job_id: str, **seconds_ago: float) -> None:
    """Its times lie that far back."""
    seconds, _ = await bench.redis.time()
    await bench.redis.hset(keys.job(job_id), mapping={name: seconds - ago for name, ago in seconds_ago.items()})


async def test_nothing_is_seen_of_an_empty_queue(bench: Bench) -> None:
    assert await seen(bench) == {
        "jobs": [],
        "jobs_total": 0,
        "callers": [],
        "leases": [],
        "leases_total": 0,
        "supervisors": [],
    }


async def test_a_job_waits_since_it_came(bench: Bench) -> None:
    job_id = await bench.submit()
    await age(bench, job_id, created_at=30)
    (job,) = (await seen(bench))["jobs"]
    assert job.pop("age_s") == job.pop("waiting_s") == pytest.approx(30, abs=2)
    assert job == {"job_id": job_id, "caller": "", "status": "queued", "pending": 1, "leased": False}


async def test_callers_are_listed_by_turn_and_their_jobs_alternate(bench: Bench) -> None:
    alices = [await bench.submit(caller="alice") for _ in range(3)]
    own = [await bench.submit() for _ in range(2)]
    await age(bench, alices[1], created_at=40)
    await age(bench, own[0], created_at=10)
    found = await seen(bench)
    assert [job["job_id"] for job in found["jobs"]] == [alices[0], own[0], alices[1], own[1], alices[2]]
    assert [job["caller"] for job in found["jobs"]] == ["alice", "", "alice", "", "alice"]
    assert [(one["caller"], one["jobs"]) for one in found["callers"]] == [("alice", 3), ("", 2)]
    assert [one["waiting_s"] for one in found["callers"]] == pytest.approx([40, 10], abs=2)
    assert await bench.queue.next_caller() == "alice"
    assert [one["caller"] for one in (await seen(bench))["callers"]] == ["", "alice"]
    assert await overview.of_callers(bench.redis) == [
        {"caller": "", "jobs": 2, "bytes": 8},
        {"caller": "alice", "jobs": 3, "bytes": 12},
    ]


async def test_jobs_that_an_older_version_has_queued_are_seen(bench: Bench) -> None:
    job_id = await bench.submit()
    await bench.redis.delete(keys.TURNS)
    found = await seen(bench)
    assert ([job["job_id"] for job in found["jobs"]], found["jobs_total"]) == ([job_id], 1)
    assert await overview.waiting(bench.redis) == 1


async def test_a_job_waits_since_it_was_last_served_and_not_while_it_is(bench: Bench) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 4), span(5, 9), span(10, 14))
    held = await lease(bench, job_id)
    await age(bench, job_id, created_at=90, started_at=60, served_at=20)
    (job,) = (await seen(bench))["jobs"]
    assert (job["leased"], job["waiting_s"], job["pending"]) == (True, 0.0, 2)
    await bench.queue.settle(held, attempt("0-4", Outcome.CRASHED), Decision(action="retry", counts="attempts"))
    (job,) = (await seen(bench))["jobs"]
    assert (job["leased"], job["pending"], job["status"]) == (False, 3, "started")
    assert job["age_s"] == pytest.approx(90, abs=2)
    assert job["waiting_s"] == pytest.approx(20, abs=2)


async def test_leases_have_an_owner_and_a_deadline(bench: Bench) -> None:
    job_id = await bench.submit()
    held = await lease(bench, job_id)
    await bench.queue.settle(held, attempt("open", Outcome.RAISED), Decision(action="retry", counts="attempts"))
    await lease(bench, job_id)
    (found,) = (await seen(bench))["leases"]
    assert 10 < found.pop("seconds_left") <= 15
    assert found == {"job_id": job_id, "chunk": "open", "owner": "sup", "attempts": 1, "crashes": 0}
    await bench.redis.hdel(keys.chunks(job_id), "open")
    (found,) = (await seen(bench))["leases"]
    assert (found["chunk"], found["owner"], found["attempts"], found["crashes"]) == ("open", None, None, None)


async def test_supervisors_are_listed_with_what_they_hold(bench: Bench) -> None:
    await Heartbeats(bench.redis, "sup").beat({}, ttl_s=30)
    await lease(bench, await bench.submit())
    (found,) = (await seen(bench))["supervisors"]
    assert 0 <= found.pop("heard_s_ago") < 5
    assert found == {"name": "sup", "leased": 1}


async def test_lists_are_cut_and_their_totals_are_not(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (overview.LISTED_JOBS, overview.LISTED_LEASES) == (100, 1000)
    monkeypatch.setattr(overview, "LISTED_JOBS", 2)
    monkeypatch.setattr(overview, "LISTED_LEASES", 1)
    ids = [await bench.submit() for _ in range(5)]
    for job_id in ids[3:]:
        await lease(bench, job_id)
    found = await seen(bench)
    assert [job["job_id"] for job in found["jobs"]] == ids[:2]
    assert [one["job_id"] for one in found["leases"]] == ids[3:4]
    assert (found["jobs_total"], found["leases_total"]) == (3, 2)


async def test_attempts_are_counted_and_failures_kept(bench: Bench) -> None:
    job_id = await bench.submit()
    for outcome in (Outcome.RAISED, Outcome.CRASHED, Outcome.RAISED):
        held = await lease(bench, job_id)
        await bench.queue.settle(held, attempt("open", outcome), Decision(action="retry", counts="attempts"))
    assert await overview.outcomes(bench.redis) == {"raised": 2, "crashed": 1}
    failures = await overview.failures(bench.redis)
    assert [(failure["job_id"], failure["outcome"]) for failure in failures] == [
        (job_id, "raised"),
        (job_id, "crashed"),
        (job_id, "raised"),
    ]
    assert msgspec.json.decode(await bench.redis.lindex(keys.FAILURES, 0)) == failures[0]


async def test_the_last_fifty_failures_are_kept(bench: Bench) -> None:
    job_id = await bench.submit()
    for _ in range(51):
        held = await lease(bench, job_id)
        await bench.queue.settle(held, attempt("open", Outcome.RAISED), Decision(action="retry", counts="attempts"))
    assert await bench.redis.llen(keys.FAILURES) == 50
    assert await overview.outcomes(bench.redis) == {"raised": 51}


@pytest.mark.parametrize(("now", "then", "age"), [(10.12345, 1.0, 9.123), (1.0, 2.0, 0.0)])
def test_ages_are_told_to_the_millisecond(now: float, then: float, age: float) -> None:
    assert overview._age(now, then) == age
