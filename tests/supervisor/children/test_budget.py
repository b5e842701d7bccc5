"""Sharing the budget: nobody gets more than there is, and nobody starves."""

import asyncio

import pytest

from supervisor.children.budget import Budget, Reservation

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def nothing_idle() -> bool:
    return False


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def take(budget: Budget, size: int) -> Reservation:
    return await budget.take(lambda: size, nothing_idle)


async def test_what_does_not_fit_waits_until_it_does() -> None:
    budget = Budget(100)
    first = await take(budget, 60)
    second = asyncio.create_task(take(budget, 60))
    await settle()
    assert not second.done()
    first.shrink(50)
    await settle()
    assert not second.done()
    first.shrink(30)
    assert (await second).size == 60
    assert budget.reserved == 90


async def test_a_large_one_is_served_before_small_ones_that_came_later() -> None:
    budget = Budget(100)
    first = await take(budget, 60)
    large, small = asyncio.create_task(take(budget, 100)), asyncio.create_task(take(budget, 10))
    await settle()
    assert not small.done()
    first.shrink(0)
    (await large).shrink(0)
    assert (await small).size == 10


async def test_what_is_idle_makes_room() -> None:
    budget = Budget(100)
    idle = await take(budget, 80)

    async def let_go() -> bool:
        idle.shrink(0)
        return True

    assert (await budget.take(lambda: 100, let_go)).size == 100


async def test_a_part_is_given_back_by_itself() -> None:
    budget = Budget(100)
    whole = await take(budget, 100)
    part = whole.split(30)
    whole.shrink(0)
    assert budget.reserved == 30
    part.shrink(0)
    part.shrink(0)
    assert budget.reserved == 0


async def test_nothing_starts_while_the_machine_is_nearly_full() -> None:
    budget = Budget(100)
    budget.hold(True)
    waiting = asyncio.create_task(take(budget, 1))
    await settle()
    assert not waiting.done()
    budget.hold(False)
    await waiting


async def test_who_gives_up_waiting_leaves_its_turn_to_the_next() -> None:
    budget = Budget(100)
    first = await take(budget, 100)
    second, third = asyncio.create_task(take(budget, 50)), asyncio.create_task(take(budget, 50))
    await settle()
    second.cancel()
    first.shrink(0)
    assert (await third).size == 50
