"""How many connections a client keeps. What errors mean: see `tests/supervisor/test_redis_link.py`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import connection
from jobs.connection import KEPT_CONNECTIONS, connect
from jobs.settings import Settings

pytestmark = pytest.mark.anyio
CROWD = 20


@pytest.fixture
async def outside(valkey_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with Redis.from_url(valkey_url) as client:
        yield client


@pytest.fixture
async def client(valkey_url: str, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(connection, "EBB_S", 0.1)
    async with connect(Settings(redis_url=valkey_url)) as found:
        yield found


async def crowd(client: Any, size: int) -> None:
    await asyncio.gather(*(client.ping() for _ in range(size)))


async def connections(outside: Any) -> int:
    """Those of other clients."""
    return len(await outside.client_list()) - 1


async def opened(outside: Any) -> int:
    """Since the server started."""
    return int((await outside.info("stats"))["total_connections_received"])


async def test_what_a_crowd_has_opened_is_closed_when_it_is_over(client: Any, outside: Any) -> None:
    await crowd(client, CROWD)
    assert await connections(outside) > KEPT_CONNECTIONS
    async with asyncio.timeout(5):
        while await connections(outside) > KEPT_CONNECTIONS:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    assert await connections(outside) == KEPT_CONNECTIONS
    await crowd(client, CROWD)


async def test_what_is_needed_again_and_again_stays(client: Any, outside: Any) -> None:
    await crowd(client, CROWD)
    before = await opened(outside)
    async with asyncio.timeout(5):
        for _ in range(100):
            await crowd(client, CROWD)
            await asyncio.sleep(0.005)
    assert await opened(outside) == before


async def test_who_is_using_one_keeps_it(client: Any, outside: Any) -> None:
    waiting = [asyncio.create_task(client.blpop("nothing", 0.6)) for _ in range(CROWD)]
    await asyncio.sleep(0.4)
    assert await connections(outside) == CROWD
    assert await asyncio.gather(*waiting) == [None] * CROWD
