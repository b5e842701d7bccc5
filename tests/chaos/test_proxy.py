"""The wire between a process and Valkey: carried, cut, delayed, refused, replies lost."""

import asyncio
import time

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from chaos.proxy import Proxy

pytestmark = pytest.mark.anyio


async def test_a_wire_carries_and_is_cut(wire: Proxy, redis: Redis) -> None:
    assert await redis.set("a", b"x" * 500_000)
    assert await redis.get("a") == b"x" * 500_000
    waiting = asyncio.create_task(redis.blpop(["nothing"], timeout=4))
    await asyncio.sleep(0.1)
    wire.cut()
    with pytest.raises(RedisConnectionError):
        await waiting
    assert await redis.strlen("a") == 500_000


async def test_a_lost_reply_is_one_of_a_command_that_was_carried_out(wire: Proxy, redis: Redis) -> None:
    await redis.ping()
    wire.losing_replies = True
    with pytest.raises(RedisConnectionError):
        await redis.incr("count")
    wire.losing_replies = False
    assert await redis.get("count") == b"1"


async def test_a_wire_delays_and_refuses(wire: Proxy, redis: Redis) -> None:
    await redis.ping()
    wire.delay_s = 0.2
    start = time.monotonic()
    await redis.ping()
    assert time.monotonic() - start >= 0.2
    wire.delay_s, wire.refusing = 0, True
    wire.cut()
    with pytest.raises(RedisConnectionError):
        await redis.ping()
