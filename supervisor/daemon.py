"""The daemon: what it does, and how often. One event loop, and nothing on it that takes long.

Leasing waits for a free slot; watching, renewing, rescuing, evicting and the heartbeat each have their own period and
go on whatever the children do. Does not run attempts (`executor`) or decide about them (`judge`, `decide`).
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import psutil
import structlog

from jobs import history
from jobs.connection import RedisClient, RedisError
from jobs.heartbeats import Heartbeats
from jobs.outcomes import Outcome
from jobs.queue import Lease, Queue
from jobs.settings import Settings
from supervisor.children.ensembles import Ensembles
from supervisor.children.limits import cores, find_limit
from supervisor.children.memory import share_out
from supervisor.children.pool import ProcessPool
from supervisor.children.stacks import Stack
from supervisor.chunks.executor import Executor
from supervisor.chunks.leases import HeldLeases
from supervisor.chunks.predecessor import Predecessor
from supervisor.chunks.rescue import adopt, give_back, rescue
from supervisor.chunks.run import Run
from supervisor.redis_link import LONGEST_PAUSE_S, RedisLink
from supervisor.snapshot import point, snapshot
from supervisor.store_check import warn_of_redis

log = structlog.get_logger()

WORK_MODULE = "child"
BEAT_S = 1.0
SWEEP_S = 60.0
SNAPSHOT_TTL_S = 10.0
RENEWALS_PER_LEASE = 10
"""More often than the lease needs: a renewal is also how a supervisor learns that a job was cancelled."""
LONG_OUTAGE = 0.5
"""Of a lease: after an outage for longer than that others need time to renew theirs."""
RETRY_S = 1.0
LEAVE_S = 3.0
"""For the last words to Redis, whether it answers or not."""
IDLE_S = 600.0
"""What nobody has used for so long, templates and the full forkserver, is let go."""
AGGRESSIVE_IDLE_S = 10.0


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
        self._heartbeats = Heartbeats(redis, queue.supervisor)
        self._burst = burst
        self._work_module = work_module
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._stopping = asyncio.Event()
        self._aborting = asyncio.Event()
        self._started_at = time.time()
        self._beats = 0
        self._process = psutil.Process()
        self._link = RedisLink(settings.redis_address)
        self._held = HeldLeases(queue)
        self._predecessor = Predecessor(queue.incarnation)

    async def run(self) -> None:
        """Until told to stop, or drained. Raises NoRoom, ForkserverLost and TimeoutError when it cannot start, and
        Denied when Redis does not let it in.
        """
        self._handle_signals()
        adoption = asyncio.create_task(self._adopt())  # others may take what it gives back while we warm up
        try:
            await self._prepare()
        except BaseException:
            adoption.cancel()
            raise
        background = {adoption, *map(asyncio.create_task, self._periodic_tasks())}
        work = asyncio.create_task(self._work())
        try:
            await _ended(work, background)
        finally:
            await self._leave(work, background)

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
        limit, lean = find_limit(self._settings), Stack(self._work_module, "lean")
        plan = share_out(
            self._settings,
            limit,
            supervisor_bytes=self._process.memory_info().rss,
            forkserver_bytes=(await lean.begin()).warm.rss_bytes,
            cores=cores(),
            in_use_bytes=limit.in_use(),
        )
        log.info("memory_plan", arithmetic=plan.arithmetic, slots=plan.slots, cap_bytes=plan.cap_bytes)
        eager = not self._settings.aggressive_memory_management
        self._pool = ProcessPool(self._work_module, plan, lean, ensembles, eager=eager)
        self._executor = Executor(self._queue, self._settings, self._link)
        log.info("supervisor_ready", supervisor=self._queue.supervisor, redis=self._settings.redis_address)

    async def _leave(self, work: asyncio.Task[None], background: set[asyncio.Task[None]]) -> None:
        if not work.done():  # a periodic task broke, and without it no promise can be kept
            self._abort()
            await asyncio.wait({work}, timeout=2 * LEAVE_S)
        await _cancel({work, *background})
        await self._pool.close()
        with contextlib.suppress(RedisError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._return_leases()
                await self._heartbeats.stop()
        log.info("supervisor_stopped", supervisor=self._queue.supervisor)

    async def _obey_signals(self) -> None:
        """The first signal drains, the second ends at once; chunks are handed back without costing an attempt."""
        number = await self._signals.get()
        running = self._executor.running
        log.info("draining", signal=number.name, grace_s=self._settings.drain_grace_s, running=len(running))
        self._stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_grace_s):
                await self._signals.get()
        self._abort()

    def _abort(self) -> None:
        """The grace is over: children are killed and their chunks handed back."""
        self._stopping.set()
        self._aborting.set()
        self._link.leaving = self._executor.draining = True
        for run in list(self._executor.running.values()):
            run.stop(Outcome.SUPERVISOR_LOST)

    # --- leasing -----------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """A chunk for every free slot until told to stop; then those that run are waited for."""
        slots = asyncio.Semaphore(self._pool.plan.slots)
        attempts: set[asyncio.Task[None]] = set()
        try:
            while not self._stopping.is_set():
                await slots.acquire()
                lease = await self._link.try_once(self._next_lease)
                if lease:
                    attempts.add(attempt := asyncio.create_task(self._attempt(lease, slots)))
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
        job = asyncio.ensure_future(self._queue.next_job())
        stop = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({job, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self._stopping.is_set():
            job.cancel()  # a rotation whose reply is lost has lost nothing
            job.add_done_callback(_look_away)
            return None
        job_id = await job
        return await self._held.draw(job_id) if job_id else None

    async def _is_drained(self) -> bool:
        return not (await self._queue.has_ready() or await self._queue.own())

    async def _attempt(self, lease: Lease, slots: asyncio.Semaphore) -> None:
        try:
            await self._until_aborted(self._executor.run(lease, self._pool))
        except Exception:  # a fault of ours must not end the others: the chunk is given back
            log.exception("attempt_broke_off", job_id=lease.job_id, chunk=lease.chunk.id)
        finally:
            self._held.release(lease, begun=not self._aborting.is_set())
            slots.release()

    async def _until_aborted(self, attempt: Coroutine[Any, Any, None]) -> None:
        """Whatever an attempt waits for: when we must leave it has LEAVE_S to settle its chunk."""
        run = asyncio.create_task(attempt)
        aborting = asyncio.create_task(self._aborting.wait())
        await asyncio.wait({run, aborting}, return_when=asyncio.FIRST_COMPLETED)
        if not run.done():
            await asyncio.wait({run}, timeout=LEAVE_S)
        await _cancel({aborting} if run.done() else {aborting, run})
        if not run.cancelled():
            run.result()

    async def _adopt(self) -> None:
        """Once: take up what an earlier process of our name left, as soon as it is known to be gone."""
        while not await self._link.try_once(self._ask_for_predecessor):
            pass
        await self._link.try_once(lambda: warn_of_redis(self._redis))
        while left_s := self._predecessor.gone_in(time.monotonic()):  # noqa: ASYNC110 - time alone decides
            await asyncio.sleep(left_s)
        while await self._link.try_once(self._adopt_list) is None:
            pass

    async def _ask_for_predecessor(self) -> bool:
        self._predecessor.heard(await self._heartbeats.last(), time.monotonic())
        return True

    async def _adopt_list(self) -> int:
        return await adopt(self._queue, max_attempts=self._settings.chunk_max_attempts)

    # --- periodic tasks -----------------------------------------------------------------------------------------------

    def _periodic_tasks(self) -> list[Coroutine[Any, Any, None]]:
        return [
            self._keep_watching(),
            _every(self._settings.lease_s / RENEWALS_PER_LEASE, self._renew),
            _every(BEAT_S, lambda: self._link.try_once(self._return_leases)),
            _every(BEAT_S, lambda: self._link.try_once(self._beat)),
            _every(BEAT_S, self._evict),
            _every(SWEEP_S, self._sweep),
            self._keep_rescuing(),
            self._pool.lean.keep(),
            self._obey_signals(),
        ]

    async def _keep_watching(self) -> None:
        while True:
            await self._look()
            await self._pool.watch.pause()

    async def _look(self) -> None:
        self._pool.watch.look()

    async def _renew(self) -> None:
        runs = list(self._executor.running.values())
        if runs:
            await self._link.try_once(lambda: asyncio.gather(*map(self._renew_lease, runs)))

    async def _renew_lease(self, run: Run) -> None:
        chunk = run.lease.chunk
        held = await self._queue.renew(run.lease)
        if not held and run.lease.chunk is chunk and not run.changing_chunk:
            run.stop(Outcome.CANCELLED)

    async def _keep_rescuing(self) -> None:
        while True:
            pause = await self._link.try_once(self._rescue)
            await asyncio.sleep(pause or 0.0)

    async def _rescue(self) -> float:
        """After an outage that may have made every lease expire, all others get the time to renew theirs."""
        lease_s = self._settings.lease_s
        early = self._link.back_at + LONGEST_PAUSE_S + lease_s / RENEWALS_PER_LEASE - time.monotonic()
        if early > 0 and self._link.last_outage_s > lease_s * LONG_OUTAGE:
            return early
        return await rescue(self._queue, max_attempts=self._settings.chunk_max_attempts, held=self._held.tokens)

    async def _return_leases(self) -> None:
        drawn, broken_off = await self._held.returnable()
        await give_back(self._queue, drawn, broken_off, max_attempts=self._settings.chunk_max_attempts)

    async def _evict(self) -> None:
        aggressive = self._settings.aggressive_memory_management
        await self._pool.evict(AGGRESSIVE_IDLE_S if aggressive else IDLE_S)

    async def _sweep(self) -> None:
        try:
            if swept := await self._queue.blobs.sweep():
                log.info("blobs_swept", uploads_and_results=swept)
        except RedisError as error:
            log.warning("blobs_not_swept", error=str(error))

    async def _beat(self) -> None:
        state = snapshot(
            name=self._queue.supervisor,
            incarnation=self._queue.incarnation,
            settings=self._settings,
            pool=self._pool,
            runs=list(self._executor.running.values()),
            rss_bytes=self._process.memory_info().rss,
            started_at=self._started_at,
            draining=self._stopping.is_set(),
        )
        before = await self._heartbeats.beat(state, ttl_s=SNAPSHOT_TTL_S)
        known = self._predecessor.name_conflict
        self._predecessor.heard(before, time.monotonic())
        if self._predecessor.name_conflict and self._predecessor.name_conflict != known:
            log.error("name_taken", supervisor=self._queue.supervisor, other=self._predecessor.name_conflict)
        await history.record(self._redis, self._queue.supervisor, self._beats, point(self._pool))
        self._beats += 1


async def _every(seconds: float, verb: Callable[[], Awaitable[object]]) -> None:
    while True:
        await verb()
        await asyncio.sleep(seconds)


async def _ended(work: asyncio.Task[None], periodic: set[asyncio.Task[None]]) -> None:
    """Until the work is done. A periodic task that broke must not be missed: raises what it raised."""
    waiting = {work, *periodic}
    while not work.done():
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """A cancellation that arrives together with a reply can get lost: retry."""
    while tasks:
        for task in tasks:
            task.cancel()
        done, tasks = await asyncio.wait(tasks, timeout=RETRY_S)
        for task in done:
            if not task.cancelled():
                task.exception()  # the first one has been raised where it counts


def _look_away(task: asyncio.Future[Any]) -> None:
    """How a call ends that nobody needs any more is no news, not even that Redis is away."""
    if not task.cancelled():
        task.exception()
