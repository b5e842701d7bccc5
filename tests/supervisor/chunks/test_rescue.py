"""Leases that nobody works on come back: whose, and how soon the next look is; real leases, in a real Valkey."""

import pytest

from supervisor.chunks.leases import HeldLeases
from supervisor.chunks.rescue import RESCUE_S, SOONEST_S, adopt, rescue
from tests.supervisor.conftest import Service

pytestmark = pytest.mark.anyio


async def test_another_incarnation_is_adopted_and_not_reconciled(service: Service) -> None:
    old, new = service.queue("sup"), service.queue("sup")
    job_id = await service.submit({})
    assert await old.lease(job_id)
    assert await HeldLeases(new).returnable() == ([], [])
    assert await adopt(new, max_attempts=3) == 1
    assert await adopt(new, max_attempts=3) == 0


async def test_a_lease_of_the_version_before_is_adopted(service: Service) -> None:
    """Its record says `life` where ours says `incarnation`."""
    old, new = service.queue("sup"), service.queue("sup")
    job_id = await service.submit({})
    assert await old.lease(job_id)
    chunks = f"shap:job:{job_id}:chunks"
    record = await service.redis.hget(chunks, "open")
    await service.redis.hset(chunks, "open", record.replace(b'"incarnation"', b'"life"'))
    assert await HeldLeases(new).returnable() == ([], [])
    assert await adopt(new, max_attempts=3) == 1
    lease = await new.lease(job_id)
    assert lease
    assert lease.chunk.incarnation == new.incarnation


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
