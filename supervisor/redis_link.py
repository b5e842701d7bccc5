"""The supervisor's link to Redis: says once when it is cut and once when it is back, and waits with jitter meanwhile.

What a periodic task does is tried once (`try_once`): its next turn comes. What belongs to an attempt is retried
(`retry`): a child is kept while Redis is away and what it has to say is held, one piece a child, because it waits for
us to take the next. Whether the chunk is still ours afterwards is for its fencing token to say. Does not know what it
carries.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from jobs.connection import RedisError, Trouble, trouble
from supervisor.children.inputs import Parts, RetriedPart

log = structlog.get_logger()

HOLD_S = 600.0
"""The longest that an attempt is held while Redis is away; its lease is long over then."""
FULL_S = 60.0
"""The longest that a full store is waited for before the attempt is given up."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
SAY_AGAIN_S = 30.0

T = TypeVar("T")


class Denied(Exception):
    """Redis does not let us in, or not do what we must; only an operator can mend that."""


class RedisLink:
    """Shared by everything in the supervisor that speaks with Redis. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        address: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._address = address
        self._clock = clock
        self._sleep = sleep
        self._cut_at: float | None = None
        self._pauses: dict[object, float] = {}
        self._said: dict[Trouble, float] = {}
        self._away_s = 0.0
        self.back_at = float("-inf")
        """When the last outage ended."""
        self.last_outage_s = 0.0
        self.leaving = False
        """The supervisor is leaving: from now on nothing is retried."""

    @property
    def away_s(self) -> float:
        """Seconds for which Redis has been away altogether, up to now."""
        return self._away_s + (0.0 if self._cut_at is None else self._clock() - self._cut_at)

    async def try_once(self, verb: Callable[[], Awaitable[T]]) -> T | None:
        """Do it once. When Redis is away wait a moment, longer each time, and let the caller try again.

        Raises Denied.
        """
        name = getattr(verb, "__qualname__", verb)
        try:
            answer = await verb()
        except RedisError as error:
            self._meet(error)
            if trouble(error) is Trouble.DENIED:
                raise Denied(str(error)) from error
            pause = self._pauses[name] = min(LONGEST_PAUSE_S, 2 * self._pauses.get(name, FIRST_PAUSE_S / 2))
            await self._sleep(_jittered(pause))
            return None
        self._answered()
        self._pauses.pop(name, None)
        return answer

    async def retry(self, verb: Callable[[], Awaitable[T]]) -> T:
        """Do it, however long Redis is away: at most HOLD_S, FULL_S when it is full, not at all when we are leaving.

        Everything that is retried may be carried out twice. Raises the last RedisError.
        """
        began, pause = self._clock(), FIRST_PAUSE_S
        while True:
            try:
                answer = await verb()
            except RedisError as error:
                self._meet(error)
                patience = {Trouble.AWAY: HOLD_S, Trouble.FULL: FULL_S}.get(trouble(error), 0.0)
                if self.leaving or self._clock() - began >= patience:
                    raise
                await self._sleep(_jittered(pause))
                pause = min(LONGEST_PAUSE_S, 2 * pause)
            else:
                self._answered()
                return answer

    def parts(self, parts: Parts) -> Parts:
        """The same parts, whose reads are retried."""
        return {name: RetriedPart(part, self.retry) for name, part in parts.items()}

    def _meet(self, error: RedisError) -> None:
        kind, now = trouble(error), self._clock()
        if kind is Trouble.AWAY and self._cut_at is None:
            self._cut_at = now
            log.warning("redis_away", error=str(error), redis=self._address)
        elif kind is not Trouble.AWAY and now - self._said.get(kind, float("-inf")) >= SAY_AGAIN_S:
            self._said[kind] = now
            log.error(f"redis_{kind}", error=str(error), redis=self._address)

    def _answered(self) -> None:
        if self._cut_at is None:
            return
        self.last_outage_s, self.back_at = self._clock() - self._cut_at, self._clock()
        self._away_s += self.last_outage_s
        self._cut_at = None
        log.info("redis_back", seconds=round(self.last_outage_s, 3), redis=self._address)


class Timer:
    """Calls once when so many seconds are over; those for which Redis was away do not count: children stood still."""

    def __init__(self, seconds: float, link: RedisLink, call: Callable[[], None]) -> None:
        self._link = link
        self._call = call
        self._away_s = link.away_s
        self._handle = asyncio.get_running_loop().call_later(seconds, self._ring)

    def cancel(self) -> None:
        self._handle.cancel()

    def _ring(self) -> None:
        owed, self._away_s = self._link.away_s - self._away_s, self._link.away_s
        if owed > 0:
            self._handle = asyncio.get_running_loop().call_later(owed, self._ring)
        else:
            self._call()


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
