"""How many connections a client keeps, and what errors of Redis mean."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from jobs import connection
from jobs.connection import KEPT_CONNECTIONS, MOST_CONNECTIONS, Trouble, connect, connect_blocking, trouble
from jobs.settings import Settings

pytestmark = pytest.mark.anyio
CROWD = 20
NAME = "crowd"
"""Tells the connections of these tests from whatever else is connected."""


@pytest.fixture
async def outside(valkey_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with Redis.from_url(valkey_url) as client:
        yield client


@pytest.fixture
async def client(valkey_url: str, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(connection, "IDLE_S", 0.1)
    async with connect(Settings(redis_url=f"{valkey_url}?client_name={NAME}")) as found:
        yield found


async def crowd(client: Any, size: int) -> None:
    await asyncio.gather(*(client.ping() for _ in range(size)))


async def connections(outside: Any) -> set[str]:
    """The ids of the client's own."""
    return {found["id"] for found in await outside.client_list() if found["name"] == NAME}


async def closed(outside: Any) -> None:
    """Wait until no more are open than are kept."""
    async with asyncio.timeout(5):
        while len(await connections(outside)) > KEPT_CONNECTIONS:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.02)


async def test_what_a_crowd_has_opened_is_closed_when_it_is_over(client: Any, outside: Any) -> None:
    await crowd(client, CROWD)
    assert len(await connections(outside)) > KEPT_CONNECTIONS
    await closed(outside)
    await asyncio.sleep(0.3)
    assert len(await connections(outside)) == KEPT_CONNECTIONS
    await crowd(client, CROWD)


async def test_what_is_needed_again_and_again_stays(client: Any, outside: Any) -> None:
    await crowd(client, CROWD)
    before = await connections(outside)
    async with asyncio.timeout(5):
        for _ in range(100):
            await crowd(client, CROWD)
            await asyncio.sleep(0.005)
    assert await connections(outside) == before


async def test_who_is_using_one_keeps_it_as_long_as_it_takes(client: Any, outside: Any) -> None:
    waiting = [asyncio.create_task(client.blpop("nothing", 0.6)) for _ in range(CROWD)]
    await asyncio.sleep(0.4)
    assert len(await connections(outside)) == CROWD
    assert await asyncio.gather(*waiting) == [None] * CROWD
    await closed(outside)


async def test_a_larger_crowd_waits_for_connections(client: Any, outside: Any) -> None:
    """Of 200 commands at once, 100 were refused as if there were no store."""
    await crowd(client, 10 * MOST_CONNECTIONS)
    assert len(await connections(outside)) <= MOST_CONNECTIONS


async def test_who_gives_up_leaves_no_connection_taken(client: Any) -> None:
    """While it waits for one, uses it or gives it back."""
    for _ in range(20):
        commands = [asyncio.create_task(client.ping()) for _ in range(4 * MOST_CONNECTIONS)]
        for command in commands[1::2]:
            await asyncio.sleep(0)
            command.cancel()
        found = await asyncio.gather(*commands, return_exceptions=True)
        assert found[::2] == [True] * (2 * MOST_CONNECTIONS)
    async with asyncio.timeout(2):
        await asyncio.gather(*(client.blpop("nothing", 0.2) for _ in range(MOST_CONNECTIONS)))


async def test_no_command_waits_longer_than_a_server_that_hangs_deserves(valkey_url: str) -> None:
    for open_client in (connect, connect_blocking):
        async with open_client(Settings(redis_url=valkey_url, redis_health_check_interval=7)) as found:
            options = found.connection_pool.connection_kwargs
            assert (options["socket_timeout"], options["socket_connect_timeout"]) == (5.0, 5.0)
            assert options["health_check_interval"] == 7
            assert options["socket_timeout"] > connection.BLOCK_S


async def test_only_commands_are_sent_again(valkey_url: str) -> None:
    """A blocking move whose reply is lost has happened nevertheless."""
    for open_client, times in ((connect, 3), (connect_blocking, 0)):
        async with open_client(Settings(redis_url=valkey_url)) as found:
            assert found.get_retry().get_retries() == times


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionError("refused"), Trouble.AWAY),
        (TimeoutError(), Trouble.AWAY),
        (ReadOnlyError("You can't write against a read only replica."), Trouble.AWAY),
        (ResponseError("UNBLOCKED force unblock from blocking operation"), Trouble.AWAY),
        (ResponseError("MISCONF Errors writing to the AOF file"), Trouble.AWAY),
        (OutOfMemoryError("command not allowed"), Trouble.FULL),
        (AuthenticationError("WRONGPASS"), Trouble.DENIED),
        (NoPermissionError("NOPERM"), Trouble.DENIED),
        (ResponseError("ACL failure in script: User u has no permissions"), Trouble.DENIED),
        (ResponseError("ERR unknown command"), Trouble.FAULT),
    ],
)
def test_what_an_error_means(error: RedisError, kind: Trouble) -> None:
    assert trouble(error) is kind
