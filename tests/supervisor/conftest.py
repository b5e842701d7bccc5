"""A supervisor inside the test's event loop, over a real Valkey, with a real forkserver and scripted children."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from jobs.blobs import BlobWriter, RedisBlobs
from jobs.options import Options
from jobs.queue import Queue
from jobs.records import Input, Job
from jobs.settings import Settings
from jobs.store import Store
from supervisor.daemon import Daemon

SCRIPTED = "tests.supervisor.scripted"
LIMIT_S = 30.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Service:
    """A store to submit to and daemons that work on it."""

    def __init__(self, url: str, model_cache: Path) -> None:
        self.url = url
        self.model_cache = model_cache
        self.redis = Redis.from_url(url)
        self.store = Store(self.redis, job_ttl_s=60)
        self.daemons: dict[str, asyncio.Task[None]] = {}

    def settings(self, **changes: Any) -> Settings:
        return Settings(
            **{
                "redis_url": self.url,
                "child_memory_mb": 128,
                "worker_slots": 2,
                "job_ttl_s": 60,
                "model_cache_dir": self.model_cache,
                "sandbox": "off",  # the scripts of these children write files, and start processes
                **changes,
            }
        )

    def queue(self, name: str = "sup", lease_s: float = 15.0) -> Queue:
        return Queue(self.redis, Redis.from_url(self.url), supervisor=name, lease_s=lease_s, job_ttl_s=60)

    @contextlib.asynccontextmanager
    async def supervisor(
        self, name: str = "sup", *, burst: bool = False, work_module: str = SCRIPTED, **changes: Any
    ) -> AsyncIterator[Daemon]:
        settings = self.settings(**changes)
        queue = self.queue(name, settings.lease_s)
        daemon = Daemon(settings, queue, self.redis, burst=burst, work_module=work_module)
        task = self.daemons[name] = asyncio.create_task(daemon.run())
        try:
            yield daemon
        finally:
            daemon.stop()
            daemon.stop()
            async with asyncio.timeout(LIMIT_S):
                await task

    async def submit(
        self, script: dict[str, Any], model: dict[str, Any] | None = None, options: Options | None = None
    ) -> str:
        data = {"rows": 4, "per_chunk": 2, **script}
        inputs = {"data": await self.upload(data), "model": await self.upload(model or {})}
        return await self.store.submit(inputs, options or Options())

    async def upload(self, content: Any) -> Input:
        writer = BlobWriter(RedisBlobs(self.redis))
        await writer.write(json.dumps(content).encode())
        return Input(blob=await writer.finish())

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Poll a condition, bounded; it may be a coroutine function."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                found = condition()
                found = await found if asyncio.iscoroutine(found) else found
                if found:
                    return found
                await asyncio.sleep(0.02)

    async def ended(self, job_id: str) -> Job:
        async def ended() -> Job | None:
            job = await self.store.job(job_id)
            return job if job.ended else None

        found: Job = await self.until(ended)
        return found

    async def values(self, job: Job) -> list[float]:
        pieces = self.store.results.read(job.job_id, row_bytes=8, first=0, last=(job.rows or 1) - 1)
        raw = b"".join([piece async for piece in pieces])
        return [value for (value,) in struct.iter_unpack("<d", raw)]


@pytest.fixture
async def service(valkey_url: str, anyio_backend: str, tmp_path_factory: Any) -> AsyncIterator[Service]:
    service = Service(valkey_url, tmp_path_factory.mktemp("cache") / "models")
    yield service
    await service.redis.aclose()
