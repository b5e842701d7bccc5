"""Redis refuses, cuts, crawls, restarts, forgets, is full, is read-only: jobs end right, and children are kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from jobs.connection import connect, connect_blocking
from jobs.outcomes import Outcome
from jobs.queue import Queue
from jobs.states import JobState
from supervisor.daemon import Daemon
from tests.processes import gone
from tests.supervisor.conftest import SCRIPTED, Service
from tests.supervisor.test_losses import blocked_job, waiting_child
from tests.supervisor.troubled import OwnValkey, Proxy, proxy_to

pytestmark = pytest.mark.anyio


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[OwnValkey]:
    directory = tmp_path / "v"
    directory.mkdir()
    server = OwnValkey(directory)
    server.start()
    yield server
    server.kill()


class Troubled(Service):
    """Its daemons reach Redis through the proxy, with the clients that the real ones have; the test does not."""

    def __init__(self, valkey: OwnValkey, proxy: Proxy, model_cache: Path) -> None:
        super().__init__(valkey.url, model_cache)
        self.valkey, self.proxy = valkey, proxy

    @contextlib.asynccontextmanager
    async def supervisor(self, name: str = "sup", *, burst: bool = False, **changes: Any) -> AsyncIterator[Daemon]:
        settings = self.settings(redis_url=self.proxy.url, **changes)
        redis, blocking = connect(settings), connect_blocking(settings)
        queue = Queue(redis, blocking, supervisor=name, lease_s=settings.lease_s, job_ttl_s=60)
        daemon = Daemon(settings, queue, redis, burst=burst, work_module=SCRIPTED)
        task = self.daemons[name] = asyncio.create_task(daemon.run())
        try:
            yield daemon
        finally:
            daemon.stop()
            daemon.stop()
            async with asyncio.timeout(30):
                await asyncio.wait({task})
            await redis.aclose()
            await blocking.aclose()
        task.result()


@pytest.fixture
async def troubled(valkey: OwnValkey, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Troubled]:
    async with proxy_to(valkey) as proxy:
        service = Troubled(valkey, proxy, tmp_path / "cache")
        yield service
        await service.redis.aclose()


async def test_a_supervisor_waits_for_redis_to_come_up(troubled: Troubled) -> None:
    await troubled.proxy.refuse()
    with structlog.testing.capture_logs() as lines:
        async with troubled.supervisor():
            await troubled.until(lambda: [line for line in lines if line["event"] == "redis_away"])
            job_id = await troubled.submit({})
            await troubled.proxy.listen()
            job = await troubled.ended(job_id)
    assert job.state is JobState.FINISHED
    said = [line["event"] for line in lines if line["event"].startswith("redis_")]
    assert said == ["redis_away", "redis_back"], "once each"


async def test_replies_that_are_lost_in_the_middle_of_any_command(troubled: Troubled) -> None:
    troubled.proxy.lose_reply_every = 23  # no multiple of what a chunk takes: it hits another command each time
    async with troubled.supervisor():
        ids = [await troubled.submit({"rows": 40, "per_chunk": 2}) for _ in range(2)]
        jobs = [await troubled.ended(job_id) for job_id in ids]
    assert troubled.proxy.lost > 10
    for job in jobs:
        assert job.state is JobState.FINISHED
        assert (job.rows_done, job.chunks_done, job.crashes) == (40, 20, 0)
        assert await troubled.values(job) == list(range(40))


async def test_connections_that_are_cut_again_and_again(troubled: Troubled) -> None:
    async def cut() -> None:
        while True:
            await asyncio.sleep(0.07)
            troubled.proxy.cut()

    async with troubled.supervisor():
        cutting = asyncio.create_task(cut())
        job = await troubled.ended(await troubled.submit({"rows": 60, "per_chunk": 2}))
        cutting.cancel()
    assert (job.state, job.crashes) == (JobState.FINISHED, 0)
    assert await troubled.values(job) == list(range(60))


async def test_a_slow_redis(troubled: Troubled) -> None:
    troubled.proxy.delay_s = 0.05
    async with troubled.supervisor(lease_s=1.0):
        job = await troubled.ended(await troubled.submit({"rows": 4, "per_chunk": 2}))
    assert (job.state, job.crashes) == (JobState.FINISHED, 0)


async def test_a_child_is_kept_over_a_restart_of_redis(troubled: Troubled, tmp_path: Path) -> None:
    """It is done while Redis is away for longer than a lease; its values are committed under the same token."""
    async with troubled.supervisor(lease_s=1.0, chunk_timeout_s=1.5):
        job_id = await blocked_job(troubled, tmp_path)
        troubled.valkey.kill()
        (tmp_path / "go").touch()
        await asyncio.sleep(2.0)  # longer than the lease and the timeout
        troubled.valkey.start()
        job = await troubled.ended(job_id)
    assert (job.state, job.crashes) == (JobState.FINISHED, 0)
    assert {attempt.outcome for attempt in await troubled.store.attempts(job_id)} == {Outcome.SUCCEEDED}
    assert not (tmp_path / "0-1.1").exists(), "a second child"


async def test_a_redis_that_comes_back_empty(troubled: Troubled, tmp_path: Path) -> None:
    async with troubled.supervisor(lease_s=1.0):
        job_id = await blocked_job(troubled, tmp_path)
        child = waiting_child(tmp_path)
        troubled.valkey.kill()
        troubled.valkey.forget()
        troubled.valkey.start()
        await troubled.until(lambda: gone(child))
        job = await troubled.ended(await troubled.submit({}))
        assert job.state is JobState.FINISHED
        assert not await troubled.redis.exists(f"shap:job:{job_id}")
    assert not await troubled.redis.keys(f"shap:job:{job_id}*")


async def test_a_full_redis_refuses_values_and_takes_them_when_there_is_room(
    troubled: Troubled, tmp_path: Path
) -> None:
    async with troubled.supervisor(worker_slots=4):
        job_id = await blocked_job(troubled, tmp_path)
        other = await troubled.submit({"rows": 2})
        troubled.valkey.ask("CONFIG", "SET", "maxmemory", 1)
        (tmp_path / "go").touch()
        await troubled.until(lambda: _started(troubled, other))  # leases go on: only work empties a full store
        troubled.valkey.ask("CONFIG", "SET", "maxmemory", 0)
        jobs = [await troubled.ended(job_id), await troubled.ended(other)]
    assert [(job.state, job.crashes) for job in jobs] == [(JobState.FINISHED, 0)] * 2


async def _started(service: Service, job_id: str) -> bool:
    return (await service.store.job(job_id)).state is JobState.STARTED


async def test_a_replica_that_takes_over(troubled: Troubled, tmp_path: Path) -> None:
    """Read-only for a while, as in a failover."""
    async with troubled.supervisor():
        job_id = await blocked_job(troubled, tmp_path)
        troubled.valkey.ask("REPLICAOF", "127.0.0.1", 1)
        (tmp_path / "go").touch()
        await asyncio.sleep(0.5)
        troubled.valkey.ask("REPLICAOF", "NO", "ONE")
        job = await troubled.ended(job_id)
    assert (job.state, job.crashes) == (JobState.FINISHED, 0)
    assert not (tmp_path / "0-1.1").exists(), "a second child"


async def test_an_evicting_policy_is_said_loudly(troubled: Troubled) -> None:
    troubled.valkey.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with structlog.testing.capture_logs() as lines:
        async with troubled.supervisor():
            await troubled.until(lambda: [line for line in lines if line["event"] == "redis_evicts"])
    (said,) = [line for line in lines if line["event"] == "redis_evicts"]
    assert (said["log_level"], said["policy"]) == ("error", "allkeys-lru")


async def test_a_drain_ends_even_if_redis_does_not_answer(troubled: Troubled, tmp_path: Path) -> None:
    async with troubled.supervisor():
        await blocked_job(troubled, tmp_path)
        child = waiting_child(tmp_path)
        troubled.valkey.kill()
    assert gone(child)
