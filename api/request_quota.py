"""How many requests a caller may send in a minute, over all web processes together. Used in the web process.

A process takes a share of a minute's requests from the store at a time and counts them itself, so that hardly any
request costs a round trip: more than the limit never pass, and a share that is not used up is lost to other processes.
"""

import asyncio
import math
import time
from collections.abc import Callable

from jobs import keys
from jobs.callers import Caller
from jobs.connection import RedisClient
from jobs.errors import TooManyRequests
from jobs.scripts import bare

MINUTE_S = 60
SHARES = 50
"""Of a minute's requests; at least one is taken at a time."""


class RequestQuota:
    """`clock` is the time of day, in seconds."""

    def __init__(self, redis: RedisClient, *, clock: Callable[[], float] = time.time) -> None:
        self._take = redis.register_script(bare("take_requests"))
        self._clock = clock
        self._minutes: dict[str, _Minute] = {}

    async def take(self, caller: Caller) -> None:
        """One request. Raises TooManyRequests."""
        if not caller.most_requests:
            return
        now = self._clock()
        minute = self._minute(caller, int(now // MINUTE_S))
        async with minute.lock:
            if not minute.left and not minute.used_up:
                minute.left = await self._share(caller, minute.number)
                minute.used_up = not minute.left
        if not minute.left:
            raise TooManyRequests(limit=caller.most_requests, retry_after_s=math.ceil(MINUTE_S - now % MINUTE_S))
        minute.left -= 1

    def _minute(self, caller: Caller, number: int) -> "_Minute":
        found = self._minutes.get(caller.name)
        if found is None or found.number != number:
            found = self._minutes[caller.name] = _Minute(number)
        return found

    async def _share(self, caller: Caller, minute: int) -> int:
        wanted = max(1, caller.most_requests // SHARES)
        arguments = [caller.most_requests, wanted, 2 * MINUTE_S]
        return int(await self._take(keys=[keys.requests(caller.name, minute)], args=arguments))


class _Minute:
    """What this process has taken of it and not yet counted."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.left = 0
        self.used_up = False
        self.lock = asyncio.Lock()
