"""Which leases are given back: real leases, in a real Valkey."""

import asyncio

import pytest

from jobs.outcomes import Outcome
from supervisor.chunks.leases import HeldLeases
from supervisor.chunks.rescue import give_back
from tests.supervisor.conftest import Service

pytestmark = pytest.mark.anyio


async def test_a_lease_whose_reply_is_lost_comes_back_for_nothing(service: Service) -> None:
    queue = service.queue("sup")
    held_leases = HeldLeases(queue)
    job_id = await service.submit({})
    lost = await queue.lease(job_id)
    assert lost
    drawn, broken_off = await held_leases.returnable()
    assert ([lease.token for lease in drawn], broken_off) == ([lost.token], [])
    assert await give_back(queue, drawn, broken_off, max_attempts=3) == 1
    job = await service.store.job(job_id)
    assert (job.attempts, job.crashes, await service.store.attempts(job_id)) == (0, 0, [])
    again = await held_leases.draw(job_id)
    assert again
    assert again.token > lost.token
    assert await held_leases.returnable() == ([], [])
    assert not await queue.renew(lost)


async def test_an_attempt_that_broke_off_counts_as_a_loss(service: Service) -> None:
    queue = service.queue("sup")
    held_leases = HeldLeases(queue)
    job_id = await service.submit({})
    lease = await held_leases.draw(job_id)
    assert lease
    held_leases.release(lease, begun=True)
    await give_back(queue, *await held_leases.returnable(), max_attempts=3)
    (attempt,) = await service.store.attempts(job_id)
    assert attempt.outcome is Outcome.SUPERVISOR_LOST
    assert (await service.store.job(job_id)).crashes == 1


async def test_no_lease_is_looked_for_on_its_way(service: Service) -> None:
    held_leases = HeldLeases(service.queue("sup"))
    job_id = await service.submit({"rows": 2})
    found, _ = await asyncio.gather(held_leases.draw(job_id), held_leases.returnable())
    assert found
    assert await held_leases.returnable() == ([], [])
