"""A chunk for every free slot. Runs in the supervisor.

Does not run attempts (`chunks.executor`), nor renew, rescue or give back what is leased (`chunks.lease_keeper`).
"""

import asyncio

import structlog

from jobs.queue import Lease, Queue
from supervisor import tasks
from supervisor.children.pool import ProcessPool
from supervisor.chunks.executor import Executor
from supervisor.chunks.leases import HeldLeases
from supervisor.redis_link import RedisLink
from supervisor.shutdown import Shutdown

log = structlog.get_logger()

SETTLE_S = 3.0
"""What an attempt gets to settle its chunk when the supervisor must leave."""


class Leasing:
    """`burst`: the work is done when the queue is drained."""

    def __init__(
        self,
        queue: Queue,
        link: RedisLink,
        held: HeldLeases,
        executor: Executor,
        shutdown: Shutdown,
        *,
        burst: bool,
    ) -> None:
        self._queue = queue
        self._link = link
        self._held = held
        self._executor = executor
        self._shutdown = shutdown
        self._burst = burst

    async def work(self, pool: ProcessPool) -> None:
        """Until told to stop; then those that run are waited for."""
        slots = asyncio.Semaphore(pool.plan.slots)
        attempts: set[asyncio.Task[None]] = set()
        try:
            while not self._shutdown.stopping.is_set():
                await slots.acquire()
                lease = await self._link.try_once(self._next_lease)
                if lease:
                    attempts.add(attempt := asyncio.create_task(self._attempt(lease, pool, slots)))
                    attempt.add_done_callback(attempts.discard)
                else:
                    slots.release()
                    if self._burst and not attempts and await self._link.try_once(self._is_drained):
                        return
        finally:
            while attempts:
                await asyncio.wait(attempts)

    async def _next_lease(self) -> Lease | None:
        """Waits a moment for work, or until told to stop."""
        turn = asyncio.ensure_future(self._queue.next_caller())
        stop = asyncio.ensure_future(self._shutdown.stopping.wait())
        await asyncio.wait({turn, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self._shutdown.stopping.is_set():
            turn.cancel()  # a rotation whose reply is lost has lost nothing
            turn.add_done_callback(tasks.ignore)
            return None
        caller = await turn
        return None if caller is None else await self._held.draw(caller=caller)

    async def _is_drained(self) -> bool:
        return not (await self._queue.has_ready() or await self._queue.own())

    async def _attempt(self, lease: Lease, pool: ProcessPool, slots: asyncio.Semaphore) -> None:
        try:
            await self._run(lease, pool)
        except Exception:  # a fault of ours must not end the others: the chunk is given back
            log.exception("attempt_broke_off", job_id=lease.job_id, chunk=lease.chunk.id)
        finally:
            self._held.release(lease, begun=not self._shutdown.aborting.is_set())
            slots.release()

    async def _run(self, lease: Lease, pool: ProcessPool) -> None:
        """Whatever an attempt waits for: when we must leave it has SETTLE_S to settle its chunk."""
        run = asyncio.create_task(self._executor.run(lease, pool))
        aborting = asyncio.create_task(self._shutdown.aborting.wait())
        await asyncio.wait({run, aborting}, return_when=asyncio.FIRST_COMPLETED)
        if not run.done():
            await asyncio.wait({run}, timeout=SETTLE_S)
        await tasks.cancel({aborting} if run.done() else {aborting, run})
        if not run.cancelled():
            run.result()
