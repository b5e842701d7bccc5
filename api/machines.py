"""GET /admin/events: the machines, every second, as server-sent events, until it leaves. The web process.

    event: machines   {memory: the document of /admin/memory without its history, waiting_jobs, leased_chunks}

However many follow, the store is asked once a second. Does not measure anything: see `admin`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import admin, events
from api.auth import Realm
from api.resources import Resources, resources
from api.routes import Answer, Routes
from jobs import keys, overview
from jobs.connection import UNAVAILABLE

EVERY_S = 1.0
routes = Routes(Realm.ADMIN)
log = structlog.get_logger()


class Machines(msgspec.Struct, kw_only=True):
    """One second."""

    memory: admin.Memory
    waiting_jobs: int
    leased_chunks: int


class Shared:
    """What `look` answers, asked for at most once in `every_s` by all together."""

    def __init__(self, look: Callable[[], Awaitable[bytes]], *, every_s: float = EVERY_S) -> None:
        self._look = look
        self._every_s = every_s
        self._lock = asyncio.Lock()
        self._seen, self._seen_at = b"", 0.0

    async def latest(self) -> bytes:
        """Raises what `look` raises."""
        async with self._lock:
            if not self._seen or time.monotonic() - self._seen_at >= self._every_s:
                self._seen, self._seen_at = await self._look(), time.monotonic()
            return self._seen


@routes.get(
    "/admin/events",
    "followMachines",
    "The machines every second, as server-sent events",
    Answer("`machines`, every second.", content={events.MEDIA_TYPE: str}),
    link="machines",
)
async def follow(request: Request) -> Response:
    """The stream."""
    house, state = resources(request), request.app.state
    if state.machines is None:
        state.machines = Shared(lambda: _second(house))
    return StreamingResponse(_stream(house, state.machines), headers=events.HEADERS, media_type=events.MEDIA_TYPE)


async def _stream(house: Resources, machines: Shared) -> AsyncIterator[bytes]:
    """Ends early when Redis is away, or this process is leaving: EventSource connects again by itself."""
    try:
        while not house.subscription.leaving():
            yield await machines.latest()
            await asyncio.sleep(EVERY_S)
    except (TimeoutError, *UNAVAILABLE) as error:
        log.warning("machines_abandoned", error=str(error))


async def _second(house: Resources) -> bytes:
    found = Machines(
        memory=await admin.now(house, hour=False),
        waiting_jobs=await overview.waiting(house.redis),
        leased_chunks=int(await house.redis.zcard(keys.LEASES)),
    )
    return b"event: machines\ndata: " + msgspec.json.encode(found, enc_hook=str) + b"\n\n"
