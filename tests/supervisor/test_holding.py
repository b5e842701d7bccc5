"""Which leases are given back and which predecessor's list is taken up; real leases, a clock of the test's own."""

import asyncio
import os
import socket
import time
from typing import Any

import pytest

from jobs.outcomes import Outcome
from supervisor.chunks.holding import TWIN_S, Holding, Predecessor
from supervisor.chunks.rescue import RESCUE_S, SOONEST_S, adopt, give_back, rescue
from tests.supervisor.conftest import Service

pytestmark = pytest.mark.anyio


def snapshot(life: str, **changes: Any) -> dict[str, Any]:
    return {"life": life, "host": "elsewhere", "pid": 1, "sent_at": time.time(), **changes}


def test_nobody_was_there_before() -> None:
    predecessor = Predecessor("mine")
    predecessor.heard(None, 0.0)
    assert predecessor.gone_in(0.0) == 0.0


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1, 1], ids=["ours", "nobody", "first"])
def test_a_restart_on_the_same_machine_adopts_at_once(pid: int) -> None:
    """Its process is gone; or, after a restart of a container, its number is another's, who came later."""
    predecessor = Predecessor("mine")
    predecessor.heard(snapshot("old", host=socket.gethostname(), pid=pid, sent_at=0.0), 0.0)
    assert predecessor.gone_in(0.0) == 0.0


def test_one_elsewhere_is_taken_for_gone_when_it_is_silent() -> None:
    predecessor = Predecessor("mine")
    predecessor.heard(snapshot("old"), 0.0)
    predecessor.heard(snapshot("mine"), 1.0)
    assert predecessor.gone_in(1.0) == TWIN_S - 1.0
    assert predecessor.gone_in(TWIN_S) == 0.0
    assert predecessor.twin is None


def test_a_twin_is_named_and_never_robbed() -> None:
    predecessor = Predecessor("mine")
    predecessor.heard(None, 0.0)
    predecessor.heard(snapshot("other"), 5.0)
    assert predecessor.twin == "elsewhere:1"
    assert predecessor.gone_in(6.0) == TWIN_S - 1.0


async def test_a_lease_whose_reply_is_lost_comes_back_for_nothing(service: Service) -> None:
    queue = service.queue("sup")
    holding = Holding(queue)
    job_id = await service.submit({})
    lost = await queue.lease(job_id)
    assert lost
    drawn, broken_off = await holding.returnable()
    assert ([lease.token for lease in drawn], broken_off) == ([lost.token], [])
    assert await give_back(queue, drawn, broken_off, max_attempts=3) == 1
    job = await service.store.job(job_id)
    assert (job.attempts, job.crashes, await service.store.attempts(job_id)) == (0, 0, [])
    again = await holding.draw(job_id)
    assert again
    assert again.token > lost.token
    assert await holding.returnable() == ([], [])
    assert not await queue.renew(lost)


async def test_an_attempt_that_broke_off_counts_as_a_loss(service: Service) -> None:
    queue = service.queue("sup")
    holding = Holding(queue)
    job_id = await service.submit({})
    lease = await holding.draw(job_id)
    assert lease
    holding.release(lease, begun=True)
    await give_back(queue, *await holding.returnable(), max_attempts=3)
    (attempt,) = await service.store.attempts(job_id)
    assert attempt.outcome is Outcome.SUPERVISOR_LOST
    assert (await service.store.job(job_id)).crashes == 1


async def test_no_lease_is_looked_for_on_its_way(service: Service) -> None:
    holding = Holding(service.queue("sup"))
    job_id = await service.submit({"rows": 2})
    found, _ = await asyncio.gather(holding.draw(job_id), holding.returnable())
    assert found
    assert await holding.returnable() == ([], [])


async def test_another_life_is_adopted_and_not_reconciled(service: Service) -> None:
    old, new = service.queue("sup"), service.queue("sup")
    job_id = await service.submit({})
    assert await old.lease(job_id)
    assert await Holding(new).returnable() == ([], [])
    assert await adopt(new, max_attempts=3) == 1
    assert await adopt(new, max_attempts=3) == 0


async def test_a_rescue_comes_when_the_earliest_lease_expires(service: Service) -> None:
    queue = service.queue("sup", lease_s=15.0)
    assert await rescue(queue, max_attempts=3) == RESCUE_S
    lease = await queue.lease(await service.submit({}))
    assert lease
    assert await rescue(queue, max_attempts=3) == RESCUE_S
    member = f"{lease.job_id}/open"
    seconds, micros = await service.redis.time()
    await service.redis.zadd("shap:leases", {member: seconds + micros / 1e6 + 0.5})
    assert SOONEST_S <= await rescue(queue, max_attempts=3) <= 0.5 + SOONEST_S
    await service.redis.zadd("shap:leases", {member: 1})
    await rescue(queue, max_attempts=3, held={lease.token})
    assert await queue.renew(lease), "our own lease only waits to be renewed"
    await service.redis.zadd("shap:leases", {member: 1})
    await rescue(queue, max_attempts=3)
    assert not await queue.renew(lease)
