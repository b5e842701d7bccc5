"""What happens when processes die that are not the chunk's fault: forkserver, template, supervisor, Redis' client."""

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from jobs.outcomes import Outcome
from jobs.states import JobState
from supervisor.chunks.rescue import rescue
from tests.processes import gone
from tests.supervisor.conftest import Service

pytestmark = pytest.mark.anyio


async def blocked_job(service: Service, tmp_path: Path, **script: object) -> str:
    """A job whose chunk 0-1 waits for the file `go`; returns when a child is waiting."""
    go = tmp_path / "go"
    job_id = await service.submit({"acts": {"0-1": [f"wait:{go}"]}, "scratch": str(tmp_path), **script})
    await service.until((tmp_path / "0-1.0").exists)
    return job_id


def waiting_child(tmp_path: Path) -> psutil.Process:
    return psutil.Process(int((tmp_path / "0-1.0").read_text()))


async def test_a_job_survives_the_death_of_the_forkserver(service: Service, tmp_path: Path) -> None:
    async with service.supervisor():
        job_id = await blocked_job(service, tmp_path)
        child = waiting_child(tmp_path)
        template = child.parent()
        assert template
        forkserver = template.parent()
        assert forkserver
        forkserver.send_signal(signal.SIGKILL)
        await service.until(lambda: gone(child))
        (tmp_path / "go").touch()
        job = await service.ended(job_id)
    assert job.state is JobState.FINISHED
    assert await service.values(job) == [0, 1, 2, 3]
    assert job.crashes >= 1


async def test_a_job_survives_the_death_of_its_template(service: Service, tmp_path: Path) -> None:
    async with service.supervisor():
        job_id = await blocked_job(service, tmp_path)
        child = waiting_child(tmp_path)
        os.kill(child.ppid(), signal.SIGKILL)
        await service.until(lambda: gone(child))
        (tmp_path / "go").touch()
        job = await service.ended(job_id)
    assert job.state is JobState.FINISHED
    assert await service.values(job) == [0, 1, 2, 3]


async def test_a_cancelled_job_loses_its_child_and_its_uploads(service: Service, tmp_path: Path) -> None:
    async with service.supervisor():
        job_id = await blocked_job(service, tmp_path)
        child = waiting_child(tmp_path)
        assert await service.store.cancel(job_id) is JobState.CANCELLED
        await service.until(lambda: gone(child))
        other = await service.ended(await service.submit({}))
        assert other.state is JobState.FINISHED
        assert (await service.store.job(job_id)).state is JobState.CANCELLED
    assert not await service.redis.keys("shap:blob:*")
    for key in await service.redis.keys(f"shap:job:{job_id}*"):
        assert await service.redis.ttl(key) > 0


async def test_an_expired_lease_is_rescued_and_the_late_finisher_refused(service: Service, tmp_path: Path) -> None:
    """A supervisor that leased and went silent; another one rescues the chunk."""
    gone = service.queue("gone", lease_s=1.0)
    job_id = await service.submit({"rows": 2})
    lease = await gone.lease(job_id)
    assert lease
    async with service.supervisor("rescuer"):
        job = await service.ended(job_id)
    assert job.state is JobState.FINISHED
    assert job.crashes == 1
    assert not await gone.renew(lease)
    assert not await gone.put_values(lease, 0, b"12345678")
    lost = [attempt for attempt in await service.store.attempts(job_id) if attempt.outcome is Outcome.SUPERVISOR_LOST]
    assert [attempt.supervisor for attempt in lost] == ["gone"]


async def test_a_restarted_supervisor_takes_up_its_own_list_at_once(service: Service) -> None:
    job_id = await service.submit({"rows": 2})
    assert await service.queue("sup", lease_s=600.0).lease(job_id)
    async with service.supervisor("sup"):
        job = await service.ended(job_id)
    assert job.state is JobState.FINISHED


async def test_a_chunk_that_takes_supervisors_down_is_poison(service: Service) -> None:
    job_id = await service.submit({"rows": 2})
    for crashes in range(1, 5):
        queue = service.queue("gone", lease_s=0.05)
        assert await queue.lease(job_id)
        await asyncio.sleep(0.1)
        await rescue(queue, max_attempts=3)
        assert (await service.store.job(job_id)).crashes == crashes
    assert await queue.lease(job_id)
    async with service.supervisor("gone"):
        job = await service.ended(job_id)
    assert job.state is JobState.FAILED
    assert job.error
    assert job.error.code == "supervisor_lost"
    assert [cause["outcome"] for cause in job.error.detail["causes"]] == ["supervisor_lost"] * 5


async def test_burst_drains_the_queue_and_leaves(service: Service) -> None:
    ids = [await service.submit({"rows": 5, "per_chunk": 1}) for _ in range(3)]
    async with service.supervisor(burst=True):
        async with asyncio.timeout(30):
            await service.daemons["sup"]
    assert [(await service.store.job(job_id)).state for job_id in ids] == [JobState.FINISHED] * 3
    assert not await service.redis.exists("shap:supervisor:sup", "shap:supervisor:sup:leased")


async def test_sigterm_waits_for_the_children_and_leases_no_more(service: Service, tmp_path: Path) -> None:
    async with service.supervisor():
        job_id = await blocked_job(service, tmp_path)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.1)
        (tmp_path / "go").touch()
        async with asyncio.timeout(10):
            await service.daemons["sup"]
    job = await service.store.job(job_id)
    assert job.state is JobState.STARTED
    assert job.crashes == 0
    chunks = await service.redis.hgetall(f"shap:job:{job_id}:chunks")
    assert b'"state":"done"' in chunks[b"0-1"]
    async with service.supervisor("next"):
        assert (await service.ended(job_id)).state is JobState.FINISHED


async def test_a_sigterm_that_every_process_gets_is_the_supervisors_business(service: Service, tmp_path: Path) -> None:
    """Some platforms signal all processes of a container at once."""
    async with service.supervisor():
        job_id = await blocked_job(service, tmp_path)
        child = waiting_child(tmp_path)
        for process in (child, *child.parents()[:2]):
            process.terminate()
        (tmp_path / "go").touch()
        job = await service.ended(job_id)
    assert (job.state, job.crashes) == (JobState.FINISHED, 0)
    assert {attempt.outcome for attempt in await service.store.attempts(job_id)} == {Outcome.SUCCEEDED}


async def test_a_second_sigterm_hands_chunks_back_at_once_and_costs_nothing(service: Service, tmp_path: Path) -> None:
    async with service.supervisor():
        job_id = await blocked_job(service, tmp_path)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            await service.daemons["sup"]
    (tmp_path / "go").touch()
    assert (await service.store.job(job_id)).crashes == 0
    async with service.supervisor("next"):
        job = await service.ended(job_id)
    assert job.state is JobState.FINISHED
    assert {attempt.outcome for attempt in await service.store.attempts(job_id)} == {
        Outcome.SUCCEEDED,
        Outcome.SUPERVISOR_LOST,
    }


async def test_a_grace_that_is_over_costs_nothing(service: Service, tmp_path: Path) -> None:
    async with service.supervisor(drain_grace_s=0.2):
        job_id = await blocked_job(service, tmp_path)
        child = waiting_child(tmp_path)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            await service.daemons["sup"]
    assert gone(child)
    (tmp_path / "go").touch()
    async with service.supervisor("next"):
        job = await service.ended(job_id)
    attempts = await service.store.attempts(job_id)
    assert (job.state, job.crashes) == (JobState.FINISHED, 0)
    assert job.attempts == sum(attempt.outcome is Outcome.SUCCEEDED for attempt in attempts)


async def test_two_supervisors_share_one_job(service: Service) -> None:
    async with service.supervisor("one"), service.supervisor("two"):
        job_id = await service.submit({"rows": 60, "per_chunk": 1})
        job = await service.ended(job_id)
    assert await service.values(job) == list(range(60))
    owners = {attempt.supervisor for attempt in await service.store.attempts(job_id)}
    assert owners == {"one", "two"}


async def test_jobs_share_the_slots_fairly(service: Service) -> None:
    long = await service.submit({"rows": 200, "per_chunk": 1})
    short = await service.submit({"rows": 4, "per_chunk": 1})
    async with service.supervisor():
        await service.ended(short)
        assert (await service.store.job(long)).rows_done < 100
        assert (await service.ended(long)).state is JobState.FINISHED


async def test_nothing_is_left_behind_when_a_job_has_ended(service: Service) -> None:
    async with service.supervisor():
        for script in ({}, {"acts": {"open": ["refuse"]}}):
            await service.ended(await service.submit(script))
    kept = {key.decode() for key in await service.redis.keys("shap:job:*")}
    for key in kept:
        assert 0 < await service.redis.ttl(key) <= 120
    assert not await service.redis.keys("shap:blob:*")
    assert not await service.redis.zcard("shap:leases")
    assert not await service.redis.llen("shap:ready")


def only_child(process: psutil.Process) -> psutil.Process | None:
    """What waits ahead, when whoever has done its work is gone."""
    living = [child for child in process.children() if not gone(child)]
    return living[0] if len(living) == 1 else None


async def test_a_child_waits_ahead_and_goes_with_its_template(service: Service) -> None:
    async with service.supervisor(aggressive_memory_management=False) as daemon:
        await service.ended(await service.submit({"rows": 2}, {"needs": "full"}))
        (template,) = daemon._pool.templates
        process = psutil.Process(template.child.pid)
        spare = await service.until(lambda: only_child(process))
        first = await service.ended(await service.submit({"rows": 2}, {"needs": "full"}))
        assert first.state is JobState.FINISHED
        await service.until(lambda: gone(spare))
        next_spare = await service.until(lambda: only_child(process))
    await service.until(lambda: gone(next_spare) and gone(process))


async def test_where_a_second_chunk_came_a_child_waits_for_a_third(service: Service) -> None:
    async with service.supervisor(worker_slots=1) as daemon:
        await service.ended(await service.submit({"rows": 2, "per_chunk": 2}))
        (template,) = daemon._pool.templates
        process = psutil.Process(template.child.pid)
        await service.until(lambda: not [child for child in process.children() if not gone(child)])
        await service.ended(await service.submit({"rows": 2, "per_chunk": 2}))
        spare = await service.until(lambda: only_child(process))
        assert (await service.ended(await service.submit({"rows": 2, "per_chunk": 2}))).state is JobState.FINISHED
        await service.until(lambda: gone(spare))


async def test_slots_that_take_children_at_once_leave_one_ahead(service: Service) -> None:
    async with service.supervisor(aggressive_memory_management=False) as daemon:
        await service.ended(await service.submit({"rows": 2}, {"needs": "full"}))
        (template,) = daemon._pool.templates
        process = psutil.Process(template.child.pid)
        taken = await asyncio.gather(*(template.take() for _ in range(3)))
        await template._forking  # type: ignore[misc]
        assert len({child.pid for child in taken}) == 3
        await service.until(lambda: len(process.children()) == 4)
        for child in taken:
            child.kill(Outcome.CANCELLED)
            child.close()
