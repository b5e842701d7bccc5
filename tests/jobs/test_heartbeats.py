"""A supervisor is heard of for as long as it says so, and a while longer."""

import pytest

from jobs import keys
from jobs.heartbeats import FORGET_S, Heartbeats, snapshots
from tests.jobs.conftest import Bench

pytestmark = pytest.mark.anyio


async def test_a_beat_is_published_and_tells_what_stood_there(bench: Bench) -> None:
    heartbeats = Heartbeats(bench.redis, "sup")
    assert await heartbeats.last() is None
    assert await heartbeats.beat({"name": "sup", "beat": 1}, ttl_s=30) is None
    assert await heartbeats.beat({"name": "sup", "beat": 2}, ttl_s=30) == {"name": "sup", "beat": 1}
    assert await heartbeats.last() == {"name": "sup", "beat": 2}
    assert 29_000 < await bench.redis.pttl(keys.snapshot("sup")) <= 30_000


async def test_all_who_were_heard_of_lately_are_shown(bench: Bench) -> None:
    for name in ("one", "two"):
        await Heartbeats(bench.redis, name).beat({"name": name}, ttl_s=30)
    assert [found["name"] for found in await snapshots(bench.redis)] == ["one", "two"]
    await Heartbeats(bench.redis, "one").stop()
    assert [found["name"] for found in await snapshots(bench.redis)] == ["two"]
    assert await bench.redis.zrange(keys.SUPERVISORS, 0, -1) == [b"two"]


async def test_who_died_without_a_word_stays_listed_for_a_while(bench: Bench) -> None:
    assert await snapshots(bench.redis) == []
    now, _ = await bench.redis.time()
    await bench.redis.zadd(keys.SUPERVISORS, {"dead": now - FORGET_S + 30, "long-dead": now - FORGET_S - 30})
    assert await snapshots(bench.redis) == []
    assert await bench.redis.zrange(keys.SUPERVISORS, 0, -1) == [b"dead"]
    assert FORGET_S == 300
