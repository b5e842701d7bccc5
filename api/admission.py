"""Whether a body may come in, and how it comes: room in the store, memory of this process, and patience; and how many
may go out at once.

Used in the web process. Does not read bodies (see `multipart_body` and `json_body`) nor write them (see `submission`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from api import parameters
from api.store_watch import CHECK_BYTES, StoreWatch
from jobs.blobs import BATCH_BYTES
from jobs.connection import UNAVAILABLE, NoPermissionError, RedisClient, RedisError
from jobs.errors import Busy, StorageFull, TooSlow

ADMITTED_SHARE = 0.8
"""An upload that would fill Redis beyond this is refused: running jobs need room for their values."""
CUT_SHARE = 0.9
"""One that is under way is cut off here."""
STORED_SHARE = 1.05
"""Bytes that Redis takes for a byte of an upload."""
AHEAD_BYTES = CHECK_BYTES + 2 * BATCH_BYTES
"""What of an upload of unknown length may come until the next time: and what this process holds of it."""
MEMORY_BYTES = 12 * 1024 * 1024
"""What the bodies on their way in may take of this process together."""
READERS_BYTES, READER_BYTES = 8 * 1024 * 1024, 384 * 1024
"""The same of the values on their way out, and of those for one reader: a piece, and its text."""
READER_WAIT_S, READERS_WAITING = 40.0, 256
"""Longer than a reader who has stopped reading is waited for: see `door`."""
WAIT_S = 10.0
"""How long a body waits outside for its turn; its sender is held up by TCP meanwhile."""
MOST_WAITING = 32
"""What came together with the head of a request that waits is in this process already: up to 256 KB."""
LEAST_BYTES_PER_S = 1024.0


class Turns:
    """Shares out so many bytes, first come, first served."""

    def __init__(self, total: int = MEMORY_BYTES, *, wait_s: float = WAIT_S, most_waiting: int = MOST_WAITING) -> None:
        self._free = total
        self._total = total
        self._wait_s = wait_s
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """Raises Busy when it is not its turn in time, or too many wait already."""
        size = min(size, self._total)
        if len(self._waiting) >= self._most_waiting:
            raise Busy
        if self._waiting or size > self._free:
            await self._wait(size)
        else:
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._call()

    async def _wait(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # its turn came together with its end
                self._free += size
            turn.cancel()
            self._call()
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise

    def _call(self) -> None:
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= self._free):
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= size
                turn.set_result(None)


class Fullness:
    """How much of Redis is taken, and what the uploads under way are still going to take."""

    def __init__(self, redis: RedisClient, *, stored_share: float = STORED_SHARE) -> None:
        self._redis = redis
        self._stored_share = stored_share
        self._coming: set[Coming] = set()

    @asynccontextmanager
    async def expect(self, size: int) -> AsyncIterator["Coming"]:
        """Raises StorageFull when there is no room for so many bytes."""
        coming = Coming(size)
        self._coming.add(coming)
        try:
            await self.check(ADMITTED_SHARE, sum(other.left for other in self._coming))
            yield coming
        finally:
            self._coming.remove(coming)

    async def check(self, share: float, coming: int = 0) -> None:
        """Raises StorageFull when more than this share of Redis is taken, or would be."""
        used, most = await self._memory()
        if most and used + coming * self._stored_share > share * most:
            raise StorageFull

    async def _memory(self) -> tuple[int, int]:
        """Bytes used, and maxmemory: 0 without a limit, or where this Redis does not tell."""
        try:
            found = await self._redis.info("memory")
        except NoPermissionError:
            return 0, 0
        except UNAVAILABLE:
            raise
        except RedisError:
            return 0, 0
        return int(found.get("used_memory", 0)), int(found.get("maxmemory", 0))


class Coming:
    """Bytes of one upload that are announced and not here yet."""

    def __init__(self, size: int) -> None:
        self.left = size

    def arrived(self, size: int) -> None:
        self.left = max(0, self.left - size)


class Admission:
    """The door for bodies, one for the process."""

    def __init__(self, redis: RedisClient, *, silence_s: float, stored_share: float = STORED_SHARE) -> None:
        self._turns = Turns()
        self.readers = Turns(READERS_BYTES, wait_s=READER_WAIT_S, most_waiting=READERS_WAITING)
        """Of values that are streamed."""
        self._fullness = Fullness(redis, stored_share=stored_share)
        self._silence_s = silence_s

    @asynccontextmanager
    async def admit(self, request: Request, *, memory_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body's bytes, of which at most `memory_bytes` are held at once. Raises StorageFull, Busy; and TooSlow
        and StorageFull while it is read.
        """
        pieces, announced = patiently(request.stream(), self._silence_s), parameters.content_length(request)
        async with self.admit_pieces(pieces, announced, memory_bytes=memory_bytes) as body:
            yield body

    @asynccontextmanager
    async def admit_pieces(
        self, pieces: AsyncIterator[bytes], announced: int, *, memory_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The same for what this process has asked for itself: 0 `announced` where nobody said how much it is."""
        async with self._fullness.expect(announced) as coming, self._turns.take(memory_bytes):
            yield self._watched(pieces, coming, ahead=0 if announced else AHEAD_BYTES)

    async def check_store(self) -> None:
        """Raises StorageFull when an upload under way has to be cut off."""
        await self._fullness.check(CUT_SHARE)

    async def _watched(self, pieces: AsyncIterator[bytes], coming: Coming, *, ahead: int) -> AsyncIterator[bytes]:
        watch = StoreWatch(lambda: self._fullness.check(CUT_SHARE, ahead))
        async for data in pieces:
            coming.arrived(len(data))
            await watch.passed(len(data))
            yield data


async def patiently(pieces: AsyncIterator[bytes], silence_s: float) -> AsyncIterator[bytes]:
    """The same pieces. Raises TooSlow after a silence, and for a trickle that has cost as long."""
    clock = asyncio.get_running_loop().time
    waited, received = 0.0, 0
    while True:
        began = clock()
        try:
            async with asyncio.timeout(silence_s):
                data = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise TooSlow(silence_s=silence_s) from None
        waited, received = waited + clock() - began, received + len(data)
        if waited > silence_s and received < waited * LEAST_BYTES_PER_S:
            raise TooSlow(silence_s=silence_s)
        yield data
