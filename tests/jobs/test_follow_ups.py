"""What is due after a job's end: given to one web process at a time, and to another where that one is gone."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import follow_ups, keys
from jobs.follow_ups import FollowUps
from jobs.records import Delivery

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def redis(valkey_url: str, anyio_backend: str) -> AsyncIterator[Any]:
    async with Redis.from_url(valkey_url) as client:
        yield client


async def test_each_is_given_out_once_and_the_first_due_first(redis: Any) -> None:
    now = time.time()
    await redis.zadd(keys.FOLLOW_UPS, {"b": now - 1, "a": now - 2, "later": now + 60})
    due, other = FollowUps(redis), FollowUps(redis)
    assert [await due.take(), await other.take(), await due.take()] == ["a", "b", None]


async def test_what_nobody_has_noted_is_given_out_again(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_ups, "TAKEN_S", 0.0)
    await redis.zadd(keys.FOLLOW_UPS, {"a": time.time() - 1})
    due = FollowUps(redis)
    assert [await due.take(), await due.take()] == ["a", "a"]


async def test_noted_it_is_due_later_or_never(redis: Any) -> None:
    await redis.hset(keys.job("a"), "job_id", "a")
    await redis.zadd(keys.FOLLOW_UPS, {"a": 1})
    due, delivery = FollowUps(redis), Delivery(state="waiting", attempts=1)
    await due.note("a", delivery, again_in_s=60.0)
    assert time.time() + 50 < await redis.zscore(keys.FOLLOW_UPS, "a") < time.time() + 70
    assert await redis.hget(keys.job("a"), "delivery") == b'{"state":"waiting","attempts":1}'
    await due.note("a", delivery, again_in_s=0.0)
    assert await due.take() == "a"
    await due.note("a", delivery, again_in_s=None)
    assert await redis.zscore(keys.FOLLOW_UPS, "a") is None


async def test_a_job_that_has_gone_leaves_nothing(redis: Any) -> None:
    await redis.zadd(keys.FOLLOW_UPS, {"a": 1})
    await FollowUps(redis).note("a", Delivery(state="waiting"), again_in_s=60.0)
    assert not await redis.exists(keys.job("a"))
    assert await redis.zcard(keys.FOLLOW_UPS) == 0
