"""An hour of points: all of the last minutes, fewer before, none twice, and nothing for ever."""

import asyncio

import pytest
from redis.asyncio import Redis

from jobs import history, keys

pytestmark = pytest.mark.anyio


async def test_recent_points_are_all_kept_and_older_ones_thinned(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "RECENT_POINTS", 6)
    monkeypatch.setattr(history, "EVERY", 3)
    monkeypatch.setattr(history, "HOUR_POINTS", 4)
    async with Redis.from_url(valkey_url) as redis:
        for number in range(22):
            await history.record(redis, "one", number, {"in_use_bytes": number})
            await asyncio.sleep(0.002)  # points are seconds apart; here, a millisecond of Redis' clock at least
        points = [point["in_use_bytes"] for point in await history.read(redis, "one")]
        assert points == [12, 15, 16, 17, 18, 19, 20, 21]
        for key in keys.history("one"):
            assert 0 < await redis.ttl(key) <= history.HOUR_S
        assert await history.read(redis, "unknown") == []


def test_several_histories_are_merged_by_time() -> None:
    merged = history.merged({"a": [{"at_ms": 1}, {"at_ms": 3}], "b": [{"at_ms": 2}]})
    assert [(point["supervisor"], point["at_ms"]) for point in merged] == [("a", 1), ("b", 2), ("a", 3)]


def test_an_hour_of_points() -> None:
    assert (history.RECENT_POINTS, history.EVERY, history.HOUR_POINTS, history.HOUR_S) == (300, 15, 240, 3_600)
