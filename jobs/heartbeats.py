"""That a supervisor is alive, and what it says of itself. Written by supervisors, read by the web process.

A heartbeat is a snapshot under the supervisor's name, which expires, and a time in the list of all supervisors, which
does not. Does not know what a snapshot holds: see `supervisor.snapshot`.
"""

from typing import Any

import msgspec

from jobs import keys
from jobs.connection import RedisClient
from jobs.records import json_text

FORGET_S = 300.0
"""A supervisor that died without a word is listed for so long: until then it is news for operators."""

Snapshot = dict[str, Any]


class Heartbeats:
    """Those of one supervisor."""

    def __init__(self, redis: RedisClient, supervisor: str) -> None:
        self._redis = redis
        self._supervisor = supervisor

    async def beat(self, snapshot: Snapshot, *, ttl_s: float) -> Snapshot | None:
        """Publish what the web process shows of this supervisor; returns what stood there before under its name."""
        seconds, _ = await self._redis.time()
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(keys.snapshot(self._supervisor), json_text(snapshot), px=int(ttl_s * 1000), get=True)
            pipe.zadd(keys.SUPERVISORS, {self._supervisor: seconds})
            before, _ = await pipe.execute()
        return _read(before)

    async def last(self) -> Snapshot | None:
        """The snapshot that stands under this name, whoever published it."""
        raw = await self._redis.get(keys.snapshot(self._supervisor))
        return _read(raw)

    async def stop(self) -> None:
        """The last act of a supervisor that shuts down in order."""
        await self._redis.unlink(keys.snapshot(self._supervisor))
        await self._redis.zrem(keys.SUPERVISORS, self._supervisor)


async def snapshots(redis: RedisClient) -> list[Snapshot]:
    """The latest snapshot of every supervisor that has sent a heartbeat lately; the long dead are forgotten."""
    seconds, _ = await redis.time()
    await redis.zremrangebyscore(keys.SUPERVISORS, "-inf", seconds - FORGET_S)
    names = [raw.decode() for raw in await redis.zrange(keys.SUPERVISORS, 0, -1)]
    found = await redis.mget([keys.snapshot(name) for name in names]) if names else []
    return [snapshot for raw in found if (snapshot := _read(raw))]


def _read(raw: bytes | None) -> Snapshot | None:
    """None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode(raw, type=Snapshot) if raw else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
