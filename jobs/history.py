"""An hour of a supervisor's memory, for charts: every second of the last minutes, and fewer points before.

Written by supervisors, read by the web process. Two capped streams a supervisor, so that nothing has to be thinned
out later; both expire with the hour.
"""

from typing import Any

from jobs import keys
from jobs.connection import RedisClient

RECENT_POINTS = 300
"""One a second: five minutes."""
EVERY = 15
"""One second's point in so many is kept for the hour."""
HOUR_POINTS = 3_600 // EVERY
HOUR_S = 3_600

Point = dict[str, int]
"""Sizes in bytes and counts, by name; `at_ms` is when, in milliseconds since the epoch by Redis' clock."""


async def record(redis: RedisClient, supervisor: str, number: int, point: Point) -> None:
    """The point of one second; `number` counts them from the supervisor's start."""
    recent, hour = keys.history(supervisor)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.xadd(recent, dict(point), maxlen=RECENT_POINTS, approximate=False)
        pipe.expire(recent, HOUR_S)
        if number % EVERY == 0:
            pipe.xadd(hour, dict(point), maxlen=HOUR_POINTS, approximate=False)
            pipe.expire(hour, HOUR_S)
        await pipe.execute()


async def read(redis: RedisClient, supervisor: str) -> list[Point]:
    """The points of the last hour, oldest first."""
    recent, hour = [[_point(*entry) for entry in await redis.xrange(key)] for key in keys.history(supervisor)]
    newer = recent[0]["at_ms"] if recent else float("inf")
    return [point for point in hour if point["at_ms"] < newer] + recent


def _point(entry_id: bytes, fields: dict[bytes, bytes]) -> Point:
    at_ms = int(entry_id.partition(b"-")[0])
    return {"at_ms": at_ms, **{name.decode(): int(value) for name, value in fields.items()}}


def merged(histories: dict[str, list[Point]]) -> list[dict[str, Any]]:
    """The points of several supervisors in the order of time, each with its `supervisor`."""
    points = [{"supervisor": name, **point} for name, history in histories.items() for point in history]
    return sorted(points, key=lambda point: int(point["at_ms"]))
