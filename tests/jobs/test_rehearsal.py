"""A submission that leaves nothing behind, and meets what a real one would meet."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from jobs import keys
from jobs.connection import RedisClient, Trouble, trouble
from jobs.rehearsal import rehearse, rehearse_and_wait

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def keyspace(valkey_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(valkey_url) as client:
        yield client
        client.execute_command("ACL DELUSER limited")


def limited(valkey_url: str, keyspace: Any, *rights: str) -> str:
    """The address for a user with these rights."""
    keyspace.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">right", *rights)
    return valkey_url.replace("//", "//limited:right@")


async def both(url: str) -> None:
    client: RedisClient = Redis.from_url(url)
    try:
        await rehearse(client)
    finally:
        await client.aclose()
    with redis.Redis.from_url(url) as waiting:
        rehearse_and_wait(waiting)


async def test_nothing_is_left_and_nobody_has_seen_it(valkey_url: str, keyspace: Any) -> None:
    supervisor: RedisClient = Redis.from_url(valkey_url)
    waits = asyncio.create_task(supervisor.blmove(keys.TURNS, keys.TURNS, 0.5, "LEFT", "RIGHT"))
    for _ in range(200):
        if keyspace.info("clients")["blocked_clients"]:
            break
        await asyncio.sleep(0.01)
    await both(valkey_url)
    assert keyspace.keys("*") == []
    assert await waits is None
    await supervisor.aclose()


async def test_a_user_held_to_our_keys_gets_in(valkey_url: str, keyspace: Any) -> None:
    await both(limited(valkey_url, keyspace, "~shap:*", "+@all"))


@pytest.mark.parametrize(
    "rights", [("~shap:*", "+@all", "-zadd"), ("~shap:*", "+@all", "-rpush"), ("~shap:j*", "+@all")]
)
async def test_who_would_be_refused_midway_is_refused_and_nothing_is_left(
    valkey_url: str, keyspace: Any, rights: tuple[str, ...]
) -> None:
    url = limited(valkey_url, keyspace, *rights)
    client: RedisClient = Redis.from_url(url)
    with pytest.raises(redis.RedisError) as found:
        await rehearse(client)
    await client.aclose()
    assert trouble(found.value) is Trouble.DENIED
    with redis.Redis.from_url(url) as waiting, pytest.raises(redis.RedisError) as found:
        rehearse_and_wait(waiting)
    assert trouble(found.value) is Trouble.DENIED
    assert keyspace.keys("*") == []


async def test_a_full_store_lets_others_in_again(valkey_url: str, keyspace: Any) -> None:
    keyspace.config_set("maxmemory", 1)
    try:
        await both(valkey_url)
    finally:
        keyspace.config_set("maxmemory", 0)
