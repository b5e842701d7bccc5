"""Says once a second that this supervisor is alive, and how it is; hears of others under its name. In the supervisor.

What is told: see `snapshot`.
"""

import time

import psutil
import structlog

from jobs import history, overview
from jobs.connection import RedisClient
from jobs.heartbeats import Heartbeats
from jobs.queue import Queue
from jobs.settings import Settings
from supervisor.children.pool import ProcessPool
from supervisor.chunks.executor import Executor
from supervisor.chunks.predecessor import Predecessor
from supervisor.shutdown import Shutdown
from supervisor.snapshot import point, snapshot

log = structlog.get_logger()

SNAPSHOT_TTL_S = 10.0


class Heartbeat:
    """Of one supervisor, from its start."""

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        redis: RedisClient,
        heartbeats: Heartbeats,
        *,
        executor: Executor,
        shutdown: Shutdown,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._redis = redis
        self._heartbeats = heartbeats
        self._executor = executor
        self._shutdown = shutdown
        self._process = psutil.Process()
        self._started_at = time.time()
        self._beats = 0

    async def beat(self, pool: ProcessPool, predecessor: Predecessor) -> None:
        """Raises RedisError."""
        state = snapshot(
            name=self._queue.supervisor,
            incarnation=self._queue.incarnation,
            settings=self._settings,
            pool=pool,
            runs=list(self._executor.running.values()),
            rss_bytes=self._process.memory_info().rss,
            started_at=self._started_at,
            draining=self._shutdown.stopping.is_set(),
        )
        before = await self._heartbeats.beat(state, ttl_s=SNAPSHOT_TTL_S)
        known = predecessor.name_conflict
        predecessor.heard(before, time.monotonic())
        if predecessor.name_conflict and predecessor.name_conflict != known:
            log.error("name_taken", supervisor=self._queue.supervisor, other=predecessor.name_conflict)
        now = {**point(pool), "waiting_jobs": await overview.waiting(self._redis)}
        await history.record(self._redis, self._queue.supervisor, self._beats, now)
        self._beats += 1
