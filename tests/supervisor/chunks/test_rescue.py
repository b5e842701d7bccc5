"""Leases that nobody works on come back: whose, and how soon the next look is; real leases, in a real Valkey."""

from typing import Any, cast

import pytest

from jobs.outcomes import Attempt
from jobs.queue import Lease
from jobs.records import Chunk
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


class Store:
    """Says which leases have expired, when the next one will, and whether it lets us settle one."""

    incarnation, supervisor = "ours", "sup"

    def __init__(self, tokens: list[int], next_in: float | None, *, lets: bool) -> None:
        self.leases = [Lease(job_id="j", chunk=Chunk(id="0-1", kind="rows", token=token)) for token in tokens]
        self.next_in = next_in
        self.lets = lets
        self.settled: list[tuple[int, bool]] = []

    async def expired(self) -> tuple[list[Lease], float | None]:
        return self.leases, self.next_in

    async def settle(self, lease: Lease, attempt: Attempt, decision: Any, *, expired_only: bool) -> bool:
        self.settled.append((lease.token, expired_only))
        return self.lets


@pytest.mark.parametrize(
    ("tokens", "next_in", "lets", "pause"),
    [
        ([], None, True, RESCUE_S),
        ([], RESCUE_S * 5, True, RESCUE_S),
        ([], 0.5, True, 0.5 + SOONEST_S),
        ([], -1.0, True, SOONEST_S),
        ([1], 0.5, True, 0.5 + SOONEST_S),  # something was settled: more may follow
        ([1, 2], None, True, RESCUE_S),
        ([1], 0.5, False, RESCUE_S),  # somebody was faster: no reason to hurry
        ([7], 0.5, False, 0.5 + SOONEST_S),  # our own: not touched
    ],
)
async def test_how_soon_the_next_rescue_comes(
    tokens: list[int], next_in: float | None, lets: bool, pause: float
) -> None:
    store = Store(tokens, next_in, lets=lets)
    assert await rescue(cast("Any", store), max_attempts=3, held={7}) == pytest.approx(pause)
    assert store.settled == [(token, True) for token in tokens if token != 7]
