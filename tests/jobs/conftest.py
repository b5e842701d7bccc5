"""A store and a queue over one real Valkey."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from jobs.blobs import BlobStore, BlobWriter
from jobs.callers import Caller
from jobs.options import Options
from jobs.queue import Queue
from jobs.records import Blob, Input
from jobs.store import Store


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Bench:
    """Both sides of the store."""

    def __init__(self, url: str, blobs: BlobStore | None = None) -> None:
        self.url = url
        self.redis = Redis.from_url(url)
        self.store = Store(self.redis, job_ttl_s=60, blobs=blobs)
        self.queue = self.supervisor("sup")

    def supervisor(self, name: str, lease_s: float = 15.0) -> Queue:
        return Queue(self.redis, self.redis, supervisor=name, lease_s=lease_s, job_ttl_s=60, blobs=self.store.blobs)

    async def upload(self, content: bytes) -> Blob:
        writer = BlobWriter(self.store.blobs)
        await writer.write(content)
        return await writer.finish()

    async def submit(
        self, content: bytes = b"rows", key: str | None = None, caller: str | Caller = "", **options: object
    ) -> str:
        inputs = {"data": Input(blob=await self.upload(content)), "model": Input(trusted_name="m")}
        store = self.store_of(caller)
        return await store.submit(inputs, Options(**options), key)  # type: ignore[arg-type]

    def store_of(self, caller: str | Caller) -> Store:
        return self.store.of(Caller(name=caller) if isinstance(caller, str) else caller)


@pytest.fixture
async def bench(valkey_url: str, anyio_backend: str) -> AsyncIterator[Bench]:
    bench = Bench(valkey_url)
    yield bench
    await bench.redis.aclose()
