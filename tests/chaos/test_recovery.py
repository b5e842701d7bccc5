"""A chunk of the dead is leased again: when, and whether the store was at hand."""

import asyncio
import contextlib

import pytest
from redis.asyncio import Redis

from chaos.recovery import Recoveries
from tests.api.player import Player

pytestmark = pytest.mark.anyio


async def test_a_recovery_is_a_new_token(client, submitted: str, valkey_url: str, redis: Redis) -> None:
    player = Player(valkey_url)
    await asyncio.to_thread(player.lease, submitted)
    recoveries = Recoveries(redis)
    await recoveries.note(recoveries.death(same_name=False), "played")
    assert [waiting.chunk_id for waiting in recoveries.waiting] == ["open"]
    watch = asyncio.create_task(recoveries.watch())
    await asyncio.sleep(0.1)
    assert not recoveries.found
    await asyncio.to_thread(player.rescue_all)
    await asyncio.to_thread(player.lease, submitted)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(watch, 0.5)
    assert recoveries.found[0].chunk == f"{submitted}/open"
    assert not recoveries.found[0].hindered
    assert not recoveries.waiting


@pytest.mark.parametrize("hindered", [True, False])
async def test_a_recovery_tells_whether_the_store_was_at_hand(
    client, submitted: str, valkey_url: str, redis: Redis, hindered: bool
) -> None:
    player, recoveries = Player(valkey_url), Recoveries(redis)
    await asyncio.to_thread(player.lease, submitted)
    with recoveries.hindrance():
        death = recoveries.death(same_name=True)
    if not hindered:
        death = recoveries.death(same_name=True)
    await recoveries.note(death, "played")
    await asyncio.to_thread(player.rescue_all)
    await asyncio.to_thread(player.lease, submitted)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(recoveries.watch(), 0.2)
    assert recoveries.found[0].hindered is hindered
