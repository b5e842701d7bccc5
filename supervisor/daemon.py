"""The daemon: what it does, and how often. One event loop, and nothing on it that takes long.

Leasing waits for a free slot; the periodic tasks (watching, renewing, rescuing, evicting, the heartbeat) go on
whatever the children do. Does not run attempts (`chunks.executor`) or decide about them (`chunks.judge`, `.decide`).
"""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any

import psutil
import structlog

from jobs.connection import RedisClient, RedisError
from jobs.heartbeats import Heartbeats
from jobs.queue import Queue
from jobs.settings import Settings
from supervisor.children.ensembles import Ensembles
from supervisor.children.limits import cores, find_limit
from supervisor.children.memory import Plan, share_out
from supervisor.children.pool import ProcessPool
from supervisor.children.sandbox import Policy
from supervisor.children.stacks import Stack
from supervisor.chunks.executor import Executor
from supervisor.chunks.lease_keeper import LeaseKeeper
from supervisor.chunks.leases import HeldLeases
from supervisor.chunks.predecessor import Predecessor
from supervisor.heartbeat import Heartbeat
from supervisor.leasing import SETTLE_S, Leasing
from supervisor.redis_link import RedisLink
from supervisor.shutdown import Shutdown
from supervisor.store_check import warn_of_redis
from supervisor.tasks import cancel, every, until_done

log = structlog.get_logger()

WORK_MODULE = "child"
BEAT_S = 1.0
SWEEP_S = 60.0
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
        self._work_module = work_module
        self._link = RedisLink(settings.redis_address)
        held = HeldLeases(queue)
        self._predecessor = Predecessor(queue.incarnation)
        self._executor = Executor(queue, settings, self._link)
        running = self._executor.running
        self._shutdown = Shutdown(settings.drain_grace_s, running=lambda: len(running), abort=self._abort)
        self._leasing = Leasing(queue, self._link, held, self._executor, self._shutdown, burst=burst)
        self._leases = LeaseKeeper(queue, settings, self._link, held, self._executor)
        self._heartbeat = Heartbeat(
            settings, queue, redis, self._heartbeats, executor=self._executor, shutdown=self._shutdown
        )

    async def run(self) -> None:
        """Until told to stop, or drained. Raises NoRoom, SandboxMissing, ForkserverLost and TimeoutError when it
        cannot start, and Denied when Redis does not let it in.
        """
        self._shutdown.handle_signals()
        background = _started([self._leases.adopt(self._heartbeats, self._predecessor), self._check_store()])
        try:  # meanwhile others may take what it gives back
            await self._prepare()
        except BaseException:
            await cancel(background)
            raise
        background |= _started(self._periodic_tasks())
        work = asyncio.create_task(self._leasing.work(self._pool))
        try:
            await until_done(work, background)
        finally:
            await self._leave(work, background)

    def stop(self) -> None:
        """As a signal would: the first time to drain, the second time to leave at once."""
        self._shutdown.signal(signal.SIGTERM)

    def _periodic_tasks(self) -> list[Coroutine[Any, Any, None]]:
        return [
            self._pool.watch.keep_looking(),
            every(self._leases.renewal_s, self._leases.renew),
            self._leases.keep_rescuing(),
            every(BEAT_S, self._leases.give_back),
            every(BEAT_S, self._beat),
            every(BEAT_S, self._evict),
            every(SWEEP_S, self._sweep),
            self._pool.lean.keep(),
            self._shutdown.obey_signals(),
        ]

    # --- start and end -----------------------------------------------------------------------------------------

    async def _check_store(self) -> None:
        while not await self._link.try_once(lambda: warn_of_redis(self._redis)):
            pass

    async def _prepare(self) -> None:
        """Warm first, then count: the baseline is measured, not assumed."""
        ensembles = Ensembles(self._settings.model_cache_dir, most_bytes=self._settings.model_cache_bytes)
        ensembles.prepare()
        policy = Policy(mode=self._settings.sandbox, chunk_cpu_s=self._settings.chunk_timeout_s * cores())
        lean = Stack(self._work_module, "lean", policy)
        plan = await self._plan(lean)
        _say_sandbox(lean)
        log.info("memory_plan", arithmetic=plan.arithmetic, slots=plan.slots, cap_bytes=plan.cap_bytes)
        eager = not self._settings.aggressive_memory_management
        self._pool = ProcessPool(self._work_module, plan, lean, ensembles, eager=eager)
        log.info("supervisor_ready", supervisor=self._queue.supervisor, redis=self._settings.redis_address)

    async def _plan(self, lean: Stack) -> Plan:
        limit = find_limit(self._settings)
        return share_out(
            self._settings,
            limit,
            supervisor_bytes=psutil.Process().memory_info().rss,
            forkserver_bytes=(await lean.begin()).warm.rss_bytes,
            cores=cores(),
            in_use_bytes=limit.in_use(),
        )

    def _abort(self) -> None:
        """The grace is over: children are killed and their chunks handed back."""
        self._link.leaving = True
        self._executor.abort()

    async def _leave(self, work: asyncio.Task[None], background: set[asyncio.Task[None]]) -> None:
        if not work.done():  # a background task broke, and without it no promise can be kept
            self._shutdown.abort()
            await asyncio.wait({work}, timeout=2 * SETTLE_S)
        await cancel({work, *background})
        await self._pool.close()
        with contextlib.suppress(RedisError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._leases.give_back_now()
                await self._heartbeats.stop()
        log.info("supervisor_stopped", supervisor=self._queue.supervisor)

    # --- periodic tasks ----------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        await self._link.try_once(lambda: self._heartbeat.beat(self._pool, self._predecessor))

    async def _evict(self) -> None:
        aggressive = self._settings.aggressive_memory_management
        await self._pool.evict(AGGRESSIVE_IDLE_S if aggressive else IDLE_S)

    async def _sweep(self) -> None:
        try:
            if swept := await self._queue.blobs.sweep():
                log.info("blobs_swept", uploads_and_results=swept)
        except RedisError as error:
            log.warning("blobs_not_swept", error=str(error))


def _say_sandbox(lean: Stack) -> None:
    """What of it is on; loudly where something is missing, or was renounced."""
    off = lean.policy.mode == "off"
    say = log.warning if off or lean.sandbox_missing else log.info
    say("sandbox", mode=lean.policy.mode, active=lean.sandbox_active, missing=lean.sandbox_missing)


def _started(verbs: list[Coroutine[Any, Any, None]]) -> set[asyncio.Task[None]]:
    return set(map(asyncio.create_task, verbs))
