"""A nest: one life of the forkserver, with the templates it has forked and the watch over them. In the supervisor.

When the forkserver dies, everything in its nest has died with it, and a new nest takes its place.
"""

import asyncio
import time

import msgspec
import structlog

from supervisor.forks import Warm
from supervisor.spawner import ForkserverLost, Spawner, start_forkserver
from supervisor.templates import Templates
from supervisor.watch import Watch

log = structlog.get_logger()

RETRY_S = 1.0


class Nest(msgspec.Struct, kw_only=True, frozen=True):
    """What one life of the forkserver provides."""

    forkserver: Spawner
    warm: Warm
    templates: Templates
    watch: Watch


class Nests:
    """Keeps one nest alive. `work_module` is what the forkserver imports and its children run."""

    def __init__(self, work_module: str, forkserver: Spawner, warm: Warm, *, cap_bytes: int, slots: int) -> None:
        self._work_module = work_module
        self._cap_bytes = cap_bytes
        self._slots = slots
        self._alive = asyncio.Event()
        self.current = self._build(forkserver, warm)

    async def alive(self) -> Nest:
        """The current nest, waiting for a new one if need be."""
        await self._alive.wait()
        return self.current

    async def keep(self) -> None:
        """Replace the nest whenever its forkserver dies; never returns."""
        while True:
            await self.current.forkserver.lost.wait()
            self._alive.clear()
            log.error("forkserver_lost", child_pid=self.current.warm.pid)
            self.current = self._build(*await self._start_again())

    async def close(self) -> None:
        """Nothing that was forked is left behind."""
        self.current.templates.evict(0)
        await self.current.forkserver.leave()

    async def _start_again(self) -> tuple[Spawner, Warm]:
        while True:
            try:
                return await start_forkserver(self._work_module)
            except (ForkserverLost, TimeoutError):
                log.exception("forkserver_not_started")
                await asyncio.sleep(RETRY_S)

    def _build(self, forkserver: Spawner, warm: Warm) -> Nest:
        self._alive.set()
        return Nest(
            forkserver=forkserver,
            warm=warm,
            templates=Templates(forkserver, cap_bytes=self._cap_bytes, most=self._slots, clock=time.monotonic),
            watch=Watch(warm, self._cap_bytes),
        )
