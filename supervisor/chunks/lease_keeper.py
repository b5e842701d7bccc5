"""What is done about leases beside drawing them: renewed, rescued, returned, adopted. Runs in the supervisor.

Independent of what children do. Waits and asks; what follows for a chunk is `rescue`'s.
"""

import asyncio
import time

from jobs.heartbeats import Heartbeats
from jobs.outcomes import Outcome
from jobs.queue import Queue
from jobs.settings import Settings
from supervisor.chunks.executor import Executor
from supervisor.chunks.leases import HeldLeases
from supervisor.chunks.predecessor import Predecessor
from supervisor.chunks.rescue import adopt, give_back, rescue
from supervisor.chunks.run import Run
from supervisor.redis_link import LONGEST_PAUSE_S, RedisLink

RENEWALS_PER_LEASE = 10
"""More often than the lease needs: a renewal is also how a supervisor learns that a job was cancelled."""
LONG_OUTAGE = 0.5
"""Of a lease: after an outage for longer than that others need time to renew theirs."""


class LeaseKeeper:
    """Of one supervisor."""

    def __init__(self, queue: Queue, settings: Settings, link: RedisLink, held: HeldLeases, executor: Executor) -> None:
        self._queue = queue
        self._lease_s = settings.lease_s
        self._max_attempts = settings.chunk_max_attempts
        self._link = link
        self._held = held
        self._executor = executor

    @property
    def renewal_s(self) -> float:
        """Between two renewals."""
        return self._lease_s / RENEWALS_PER_LEASE

    async def renew(self) -> None:
        """All leases that are worked on; who has lost its lease is stopped."""
        runs = list(self._executor.running.values())
        if runs:
            await self._link.try_once(lambda: asyncio.gather(*map(self._renew, runs)))

    async def keep_rescuing(self) -> None:
        """Whenever a lease may have expired; never returns."""
        while True:
            pause = await self._link.try_once(self._rescue)
            await asyncio.sleep(pause or 0.0)

    async def give_back(self) -> None:
        """What is in our list and nobody works on."""
        await self._link.try_once(self.give_back_now)

    async def give_back_now(self) -> None:
        """Raises RedisError."""
        drawn, broken_off = await self._held.returnable()
        await give_back(self._queue, drawn, broken_off, max_attempts=self._max_attempts)

    async def adopt(self, heartbeats: Heartbeats, predecessor: Predecessor) -> None:
        """Once: take up what an earlier process of our name left, as soon as it is known to be gone."""

        async def ask() -> bool:
            predecessor.heard(await heartbeats.last(), time.monotonic())
            return True

        while not await self._link.try_once(ask):
            pass
        while left_s := predecessor.gone_in(time.monotonic()):  # noqa: ASYNC110 - time alone decides
            await asyncio.sleep(left_s)
        while await self._link.try_once(lambda: adopt(self._queue, max_attempts=self._max_attempts)) is None:
            pass

    async def _renew(self, run: Run) -> None:
        chunk = run.lease.chunk
        held = await self._queue.renew(run.lease)
        if not held and run.lease.chunk is chunk and not run.changing_chunk:
            run.stop(Outcome.CANCELLED)

    async def _rescue(self) -> float:
        """After an outage that may have made every lease expire, all others get the time to renew theirs."""
        early = self._link.back_at + LONGEST_PAUSE_S + self.renewal_s - time.monotonic()
        if early > 0 and self._link.last_outage_s > self._lease_s * LONG_OUTAGE:
            return early
        return await rescue(self._queue, max_attempts=self._max_attempts, held=self._held.tokens)
