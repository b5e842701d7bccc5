"""The daemon: what it does, and how often. One event loop, and nothing on it that takes long.

Leasing waits for a free slot; watching, renewing, rescuing, evicting and the heartbeat each have their own rhythm and
go on whatever the children do. Does not run attempts (`attempts`) or decide about them (`judge`, `decide`).
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import psutil
import structlog

from jobs import history
from jobs.connection import RedisClient, RedisError
from jobs.outcomes import Outcome
from jobs.queue import Lease, Queue
from jobs.settings import Settings
from supervisor.attempts import Attempts
from supervisor.ensembles import Ensembles
from supervisor.forkservers import Forkserver
from supervisor.limits import cores, find_limit
from supervisor.memory import share_out
from supervisor.nest import Nest
from supervisor.rescue import adopt, rescue
from supervisor.snapshot import point, snapshot

log = structlog.get_logger()

WORK_MODULE = "jobs.work"
WATCH_S = 0.1
BEAT_S = 1.0
SNAPSHOT_TTL_S = 10.0
RESCUE_S = 5.0
RENEWALS_PER_LEASE = 10
"""More often than the lease needs: a renewal is also how a supervisor learns that a job was cancelled."""
RETRY_S = 1.0
IDLE_S = 600.0
"""What nobody has used for so long, templates and the full forkserver, is let go."""
AGGRESSIVE_IDLE_S = 10.0


T = TypeVar("T")


class Daemon:
    """One supervisor. `burst`: leave when the queue is drained."""

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        redis: RedisClient,
        *,
        burst: bool = False,
        work_module: str = WORK_MODULE,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._redis = redis
        self._burst = burst
        self._work_module = work_module
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._stopping = asyncio.Event()
        self._started_at = time.time()
        self._beats = 0
        self._process = psutil.Process()

    async def run(self) -> None:
        """Until told to stop, or drained. Raises NoRoom, ForkserverLost and TimeoutError when it cannot start."""
        self._handle_signals()
        await self._prepare()
        background = {asyncio.create_task(rhythm) for rhythm in self._rhythms()}
        try:
            await self._adopt()
            await self._work()
        finally:
            await self._leave(background)

    def stop(self) -> None:
        """As a signal would: the first time to drain, the second time to leave at once."""
        self._signals.put_nowait(signal.SIGTERM)

    # --- start and end -----------------------------------------------------------------------------------------

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signals.put_nowait, number)

    async def _prepare(self) -> None:
        """Warm first, then count: the baseline is measured, not assumed."""
        ensembles = Ensembles(self._settings.model_cache_dir, most_bytes=self._settings.model_cache_bytes)
        ensembles.prepare()
        limit, lean = find_limit(self._settings), Forkserver(self._work_module, "lean")
        plan = share_out(
            self._settings,
            limit,
            supervisor_bytes=self._process.memory_info().rss,
            forkserver_bytes=(await lean.up()).warm.rss_bytes,
            cores=cores(),
            in_use_bytes=limit.in_use(),
        )
        log.info("memory_plan", arithmetic=plan.arithmetic, slots=plan.slots, cap_bytes=plan.cap_bytes)
        eager = not self._settings.aggressive_memory_management
        self._nest = Nest(self._work_module, plan, lean, ensembles, eager=eager)
        self._attempts = Attempts(self._queue, self._redis, self._settings)
        log.info("supervisor_ready", supervisor=self._queue.supervisor, redis=self._settings.redis_address)

    async def _leave(self, background: set[asyncio.Task[None]]) -> None:
        while background:  # a cancellation that arrives together with a reply can get lost: insist
            for task in background:
                task.cancel()
            _, background = await asyncio.wait(background, timeout=RETRY_S)
        await self._nest.close()
        with contextlib.suppress(RedisError):
            await self._queue.sign_off()
        log.info("supervisor_stopped", supervisor=self._queue.supervisor)

    async def _obey_signals(self) -> None:
        """The first signal drains, the second ends at once; chunks are handed back without costing an attempt."""
        number = await self._signals.get()
        running = self._attempts.running
        log.info("draining", signal=number.name, grace_s=self._settings.drain_grace_s, running=len(running))
        self._stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_grace_s):
                await self._signals.get()
        self._attempts.draining = True
        for run in list(running.values()):
            run.stop(Outcome.SUPERVISOR_LOST)

    # --- leasing -----------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """A chunk for every free slot until told to stop; then those that run are waited for."""
        slots = asyncio.Semaphore(self._nest.plan.slots)
        async with asyncio.TaskGroup() as attempts:
            while not self._stopping.is_set():
                await slots.acquire()
                lease = await self._persist(self._next_lease)
                if lease:
                    attempts.create_task(self._attempt(lease, slots))
                else:
                    slots.release()
                    if self._burst and not self._attempts.running and await self._persist(self._is_drained):
                        return

    async def _next_lease(self) -> Lease | None:
        """Waits a moment for work, or until told to stop."""
        job = asyncio.ensure_future(self._queue.next_job())
        stop = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({job, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self._stopping.is_set():
            job.cancel()  # a rotation whose reply is lost has lost nothing
            return None
        job_id = await job
        return await self._queue.lease(job_id) if job_id else None

    async def _is_drained(self) -> bool:
        return not await self._queue.has_ready()

    async def _attempt(self, lease: Lease, slots: asyncio.Semaphore) -> None:
        try:
            await self._attempts.run(lease, self._nest)
        except Exception:  # a fault of ours must not end the others: the lease expires and the chunk is rescued
            log.exception("attempt_broke_off", job_id=lease.job_id, chunk=lease.chunk.id)
        finally:
            slots.release()

    async def _adopt(self) -> None:
        await self._persist(lambda: adopt(self._queue, max_attempts=self._settings.chunk_max_attempts))

    # --- rhythms -----------------------------------------------------------------------------------------------

    def _rhythms(self) -> list[Coroutine[Any, Any, None]]:
        return [
            self._every(WATCH_S, self._look),
            self._every(self._settings.lease_s / RENEWALS_PER_LEASE, self._renew),
            self._every(RESCUE_S, self._rescue),
            self._every(BEAT_S, self._beat),
            self._every(BEAT_S, self._evict),
            self._nest.lean.keep(),
            self._obey_signals(),
        ]

    async def _every(self, seconds: float, verb: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._persist(verb)
            await asyncio.sleep(seconds)

    async def _persist(self, verb: Callable[[], Awaitable[T]]) -> T | None:
        """Redis being away is no reason to stop: say so, wait a moment, and let the caller try again."""
        try:
            return await verb()
        except RedisError as error:
            log.warning("redis_away", error=str(error), redis=self._settings.redis_address)
            await asyncio.sleep(RETRY_S)
            return None

    async def _look(self) -> None:
        self._nest.watch.look()

    async def _renew(self) -> None:
        for run in list(self._attempts.running.values()):
            chunk = run.lease.chunk
            held = await self._queue.renew(run.lease)
            if not held and run.lease.chunk is chunk and not run.changing_chunk:
                run.stop(Outcome.CANCELLED)

    async def _rescue(self) -> None:
        await rescue(self._queue, max_attempts=self._settings.chunk_max_attempts)

    async def _evict(self) -> None:
        aggressive = self._settings.aggressive_memory_management
        await self._nest.evict(AGGRESSIVE_IDLE_S if aggressive else IDLE_S)

    async def _beat(self) -> None:
        state = snapshot(
            name=self._queue.supervisor,
            settings=self._settings,
            nest=self._nest,
            runs=list(self._attempts.running.values()),
            rss_bytes=self._process.memory_info().rss,
            started_at=self._started_at,
            draining=self._stopping.is_set(),
        )
        await self._queue.heartbeat(state, ttl_s=SNAPSHOT_TTL_S)
        await history.record(self._redis, self._queue.supervisor, self._beats, point(self._nest))
        self._beats += 1
