"""What is said at the start about a Redis that is not as it should be; a real Valkey."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from jobs.store_policy import ADVICE
from supervisor.store_check import warn_of_redis

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(valkey_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with Redis.from_url(valkey_url) as client:
        yield client
        await client.config_set("maxmemory-policy", "noeviction")
        await client.acl_deluser("blind")


async def test_of_a_store_that_keeps_what_it_has_nothing_is_said(store: Any) -> None:
    with structlog.testing.capture_logs() as logs:
        assert await warn_of_redis(store)
    assert logs == []


async def test_one_that_evicts_is_named(store: Any) -> None:
    await store.config_set("maxmemory-policy", "allkeys-lru")
    with structlog.testing.capture_logs() as logs:
        assert await warn_of_redis(store)
    assert logs == [{"event": "redis_evicts", "log_level": "error", "policy": "allkeys-lru", "advice": ADVICE}]


async def test_where_one_may_not_look_nothing_is_said_and_nothing_asked_again(store: Any, valkey_url: str) -> None:
    await store.execute_command("ACL", "SETUSER", "blind", "on", "nopass", "~*", "+@all", "-info")
    async with Redis.from_url(valkey_url, username="blind", password="any") as blind:
        with structlog.testing.capture_logs() as logs:
            assert await warn_of_redis(blind)
    assert logs == []


async def test_a_store_that_does_not_know_the_question_is_not_asked_again() -> None:
    class Odd:
        async def info(self, section: str) -> None:
            raise ResponseError(f"unknown section {section}")

    assert await warn_of_redis(Odd())
