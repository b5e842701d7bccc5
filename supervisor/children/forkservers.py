"""The lives of a stack's forkserver: started when it is wanted, again when it died. Runs in the supervisor.

The lean one is kept alive; the full one is started on first need and let go when nothing needs it. Does not fork: a
life's spawner does.
"""

import asyncio

import structlog

from jobs.settings import MIB
from supervisor.children.budget import Reservation
from supervisor.children.forks import Warm
from supervisor.children.spawner import ForkserverLost, Spawner, Stack, start_forkserver

log = structlog.get_logger()

FULL_STACK_BYTES = 260 * MIB
"""What a full forkserver is taken to need before one has been measured: shap 0.51 with its libraries."""
RETRY_S = 1.0
START_TRIES = 5


class Life:
    """A forkserver that is up."""

    def __init__(self, spawner: Spawner, warm: Warm) -> None:
        self.spawner = spawner
        self.warm = warm

    @property
    def lost(self) -> bool:
        return self.spawner.lost.is_set()


class Forkserver:
    """One stack's forkserver, over its lives."""

    def __init__(self, work_module: str, stack: Stack) -> None:
        self.stack = stack
        self.expected_bytes = FULL_STACK_BYTES
        """What it takes when it is up: measured, once it was."""
        self.reservation: Reservation | None = None
        self._work_module = work_module
        self._life: Life | None = None
        self._starting = asyncio.Lock()

    @property
    def life(self) -> Life | None:
        """None while it is down."""
        return None if self._life is None or self._life.lost else self._life

    async def up(self) -> Life:
        """Start it if need be. Raises ForkserverLost, TimeoutError."""
        async with self._starting:
            if self._life and self._life.lost:
                log.error("forkserver_lost", stack=self.stack, child_pid=self._life.warm.pid)
                await self._life.spawner.leave()
                self._life = None
            if self._life is None:
                self._life = Life(*await start_forkserver(self._work_module, self.stack))
                self.expected_bytes = self._life.warm.rss_bytes
            return self._life

    async def begin(self) -> Life:
        """As `up`, at the start of a supervisor: one that was killed meanwhile is started again, START_TRIES in all."""
        for left in reversed(range(START_TRIES)):
            try:
                return await self.up()
            except ForkserverLost:
                log.warning("forkserver_not_started", stack=self.stack, tries_left=left)
                if not left:
                    raise
        raise AssertionError

    async def keep(self) -> None:
        """Have it up again whenever it died; never returns."""
        while True:
            try:
                life = await self.up()
                await life.spawner.lost.wait()
            except (ForkserverLost, TimeoutError) as error:
                log.warning("forkserver_not_started", stack=self.stack, reason=type(error).__name__)
                await asyncio.sleep(RETRY_S)

    async def down(self) -> None:
        """Let it go, and with it all that it has forked."""
        life, self._life = self._life, None
        reservation, self.reservation = self.reservation, None
        if life:
            await life.spawner.leave()
        if reservation:
            reservation.shrink(0)
