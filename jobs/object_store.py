"""Bytes of uploads and of values in an object store: S3, Google Cloud, Azure or a directory. For BLOB_URL only.

    uploads/<blob>/<piece>
    results/<job>/<chunk>.<token>/<piece>

Redis stays the judge of what is wanted: an upload as long as its hash is there, values as long as their job's are. What
Redis does not want any more is deleted piece by piece where a script says so, and by `sweep` otherwise, for an object
store has no expiry of its own.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import obstore
from obstore.store import ObjectStore, from_url

from jobs import keys
from jobs.blobs import UPLOAD_TTL_S, BlobGone, BlobsAway, Bytes
from jobs.connection import RedisClient
from jobs.protocol import PIECE_BYTES
from jobs.records import Blob
from jobs.states import JobState

UPLOADS, RESULTS = "uploads", "results"
SWEEP_S = 60
"""At most one supervisor sweeps in so many seconds."""
MESSAGE_CHARS = 200
STRIPS_AT_ONCE = 16
"""Requests under way for one child."""
_REMOTE: dict[str, Any] = {
    # Plain HTTP is for an endpoint that the operator has named so: all others are https.
    "client_options": {"connect_timeout": "5s", "timeout": "30s", "allow_http": True},
    "retry_config": {"max_retries": 4, "retry_timeout": timedelta(seconds=20)},
}


def open_store(url: str) -> ObjectStore:
    """Keys, region and endpoint are the environment's, e.g. AWS_*. Raises BlobsAway."""
    options = {"mkdir": True, "automatic_cleanup": True} if url.startswith("file:") else _REMOTE
    with _translating():
        return from_url(url, **options)


def probe(store: ObjectStore) -> None:
    """Raises BlobsAway unless an object can be written, read and deleted.

    Blocks: a process that ends right after an asynchronous call may be aborted by the library's own threads.
    """
    path = f"probe/{secrets.token_hex(8)}"
    try:
        with _translating():
            obstore.put(store, path, b"probe")
            obstore.get_range(store, path, start=0, length=5)
            obstore.delete(store, path)
    except BlobGone:
        raise BlobsAway("what was written cannot be found, or there is no such bucket") from None


class ObjectBlobs:
    """A BlobStore whose bytes lie in an object store."""

    in_redis = False

    def __init__(self, redis: RedisClient, store: ObjectStore) -> None:
        self._redis = redis
        self._store = store

    async def append(self, blob_id: str, first: int, pieces: Sequence[Bytes]) -> None:
        """Redis hears of an upload before its first byte is written: what it does not know can be swept."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.blob(blob_id), "objects", 1)
            pipe.expire(keys.blob(blob_id), UPLOAD_TTL_S)
            await pipe.execute()
        await asyncio.gather(
            *(self._put(f"{UPLOADS}/{blob_id}/{number}", piece) for number, piece in enumerate(pieces, first))
        )

    async def read(self, blob: Blob, offset: int, length: int) -> bytes:
        end = min(offset + length, blob.size)
        ranges = []
        while offset < end:
            number, start = divmod(offset, PIECE_BYTES)
            size = min(PIECE_BYTES - start, end - offset)
            ranges.append(self._get(f"{UPLOADS}/{blob.id}/{number}", start, size))
            offset += size
        return b"".join(await asyncio.gather(*ranges))

    async def read_strips(self, blob: Blob, offset: int, length: int, step: int, count: int) -> bytes:
        found = []
        for first in range(0, count, STRIPS_AT_ONCE):
            strips = range(first, min(first + STRIPS_AT_ONCE, count))
            found += await asyncio.gather(*(self.read(blob, offset + strip * step, length) for strip in strips))
        return b"".join(found)

    async def discard(self, blob_id: str) -> None:
        await self._redis.unlink(keys.blob(blob_id))
        await self._delete_folder(f"{UPLOADS}/{blob_id}")

    async def freed(self, blob_id: str, pieces: Sequence[int]) -> None:
        with contextlib.suppress(BlobsAway):  # swept at the latest when the job has ended
            await self._delete([f"{UPLOADS}/{blob_id}/{number}" for number in pieces])

    async def put_values(self, job_id: str, chunk: str, token: int, number: int | str, data: bytes) -> bool:
        """Always True: nobody reads what a stale token has written."""
        await self._put(f"{RESULTS}/{job_id}/{chunk}.{token}/{number}", data)
        return True

    async def get_values(self, job_id: str, chunk: str, token: int, number: int | str) -> bytes | None:
        try:
            with _translating():
                found = await obstore.get_async(self._store, f"{RESULTS}/{job_id}/{chunk}.{token}/{number}")
                return bytes(await found.bytes_async())
        except BlobGone:
            return None

    async def drop_values(self, job_id: str, chunk: str, token: int) -> None:
        with contextlib.suppress(BlobsAway):
            await self._delete_folder(f"{RESULTS}/{job_id}/{chunk}.{token}")

    async def sweep(self) -> int:
        """Does nothing while another supervisor has swept in the last SWEEP_S."""
        if not await self._redis.set(keys.SWEEP, 1, nx=True, ex=SWEEP_S):
            return 0
        unwanted = [
            f"{UPLOADS}/{name}" for name in await self._names(UPLOADS) if not await self._redis.exists(keys.blob(name))
        ]
        unwanted += [f"{RESULTS}/{name}" for name in await self._names(RESULTS) if not await self._has_results(name)]
        for folder in unwanted:
            await self._delete_folder(folder)
        return len(unwanted)

    async def _has_results(self, job_id: str) -> bool:
        """Whether a job's values may still be wanted."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hget(keys.job(job_id), "state")
            pipe.exists(keys.results(job_id))
            state, results = await pipe.execute()
        return state == JobState.STARTED.encode() or bool(state == JobState.FINISHED.encode() and results)

    async def _names(self, folder: str) -> list[str]:
        with _translating():
            found = await obstore.list_with_delimiter_async(self._store, folder)
        return [prefix.rstrip("/").rsplit("/", 1)[-1] for prefix in found["common_prefixes"]]

    async def _put(self, path: str, data: Bytes) -> None:
        with _translating():
            await obstore.put_async(self._store, path, bytes(data))

    async def _get(self, path: str, start: int, length: int) -> bytes:
        with _translating():
            return bytes(await obstore.get_range_async(self._store, path, start=start, length=length))

    async def _delete_folder(self, folder: str) -> None:
        with _translating():
            async for batch in obstore.list(self._store, folder):
                await self._delete([found["path"] for found in batch])

    async def _delete(self, paths: Sequence[str]) -> None:
        with contextlib.suppress(BlobGone), _translating():
            await obstore.delete_async(self._store, paths)


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    """Raises BlobGone for what is not there and BlobsAway for all else, with the first line of the reason."""
    try:
        yield
    except FileNotFoundError as error:
        raise BlobGone(_reason(error)) from None
    except (obstore.exceptions.BaseError, OSError, NotImplementedError, ValueError) as error:
        raise BlobsAway(_reason(error)) from None


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:MESSAGE_CHARS]
