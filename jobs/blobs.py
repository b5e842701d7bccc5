"""Bytes of uploads and of values: what a store for them must do, and the one that keeps them in Redis.

Written piece by piece by the web process (uploads) and supervisors (values), read piece by piece by either. Does not
know what is in them, nor when they are needed no more: scripts decide that, see `scripts/prelude.lua`.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Sequence
from typing import Protocol

from jobs import keys
from jobs.connection import RedisClient, RedisConnectionError, RedisError
from jobs.protocol import PIECE_BYTES
from jobs.records import Blob
from jobs.scripts import bare, source

UPLOAD_TTL_S = 3_600
IDS = "ids"
"""In the place of a piece's number: the ids of the chunk's rows."""
BATCH_BYTES = 2 * PIECE_BYTES
THREAD_BYTES = 16 * 1024
"""From so many on a hash is worth a thread of its own."""

Bytes = bytes | memoryview


class BlobGone(Exception):
    """The blob is not there any more: its job has ended, or the store lost it."""


class BlobsAway(RedisConnectionError):
    """The object store cannot be reached, or refuses. Half of the store is away: treated as if Redis were."""


class BlobStore(Protocol):
    """Uploads lie in pieces of PIECE_BYTES, numbered from 0; values in pieces as a child sent them.

    Whatever else a store does, Redis has the hash `shap:blob:<id>` for as long as an upload is wanted.
    """

    in_redis: bool
    """Whether all of it lies there, so that scripts may write it."""

    async def append(self, blob_id: str, first: int, pieces: Sequence[Bytes]) -> None:
        """Write pieces of an upload, from number `first`. It expires in UPLOAD_TTL_S unless a job takes it over."""

    async def read(self, blob: Blob, offset: int, length: int) -> bytes:
        """Bytes `offset` to `offset + length`, fewer only at the end of the upload. Raises BlobGone."""

    async def read_strips(self, blob: Blob, offset: int, length: int, step: int, count: int) -> bytes:
        """`count` strips of `length` bytes, `step` apart, all within the upload, and little else. Raises BlobGone."""

    async def discard(self, blob_id: str) -> None:
        """Delete an upload that no job has taken over."""

    async def freed(self, blob_id: str, pieces: Sequence[int]) -> None:
        """These pieces are needed no more, a script says: delete what of them does not lie in Redis."""

    async def put_values(self, job_id: str, chunk: str, token: int, number: int | str, data: bytes) -> bool:
        """Write a piece of an attempt's values; False when it is known that the token no longer holds the chunk."""

    async def get_values(self, job_id: str, chunk: str, token: int, number: int | str) -> bytes | None:
        """A piece of a committed chunk's values; None when it is not there."""

    async def drop_values(self, job_id: str, chunk: str, token: int) -> None:
        """An attempt has failed, a script says: delete what of its values does not lie in Redis."""

    async def sweep(self) -> int:
        """Delete what does not lie in Redis and belongs to nothing there; the number of uploads and results."""


class RedisBlobs:
    """Everything lies in Redis, so its scripts delete it themselves."""

    in_redis = True

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._put_values = redis.register_script(source("put_values"))
        self._read_strips = redis.register_script(bare("read_strips"))

    async def append(self, blob_id: str, first: int, pieces: Sequence[Bytes]) -> None:
        """Raises redis.exceptions.OutOfMemoryError when Redis is full."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.blob(blob_id), mapping=dict(enumerate(pieces, first)))
            pipe.expire(keys.blob(blob_id), UPLOAD_TTL_S)
            await pipe.execute()

    async def read(self, blob: Blob, offset: int, length: int) -> bytes:
        end = min(offset + length, blob.size)
        if offset >= end:
            return b""
        first, last = offset // PIECE_BYTES, (end - 1) // PIECE_BYTES
        pieces = await self._redis.hmget(keys.blob(blob.id), [str(number) for number in range(first, last + 1)])
        if any(piece is None for piece in pieces):
            raise BlobGone(blob.id)
        start = offset - first * PIECE_BYTES
        return b"".join(pieces)[start : start + end - offset]

    async def read_strips(self, blob: Blob, offset: int, length: int, step: int, count: int) -> bytes:
        found = await self._read_strips(keys=[keys.blob(blob.id)], args=[PIECE_BYTES, offset, length, step, count])
        if found is None:
            raise BlobGone(blob.id)
        return bytes(found)

    async def discard(self, blob_id: str) -> None:
        await self._redis.unlink(keys.blob(blob_id))

    async def freed(self, blob_id: str, pieces: Sequence[int]) -> None:
        """Nothing of them lies elsewhere."""

    async def put_values(self, job_id: str, chunk: str, token: int, number: int | str, data: bytes) -> bool:
        """Raises redis.exceptions.OutOfMemoryError when Redis is full."""
        return bool(await self._put_values(keys=keys.of_job(job_id), args=[job_id, chunk, token, number, data]))

    async def get_values(self, job_id: str, chunk: str, token: int, number: int | str) -> bytes | None:
        found: bytes | None = await self._redis.hget(keys.values(job_id), f"{chunk}:{token}:{number}")
        return found

    async def drop_values(self, job_id: str, chunk: str, token: int) -> None:
        """Nothing of them lies elsewhere."""

    async def sweep(self) -> int:
        """Redis does it itself."""
        return 0


class BlobWriter:
    """Takes an upload's bytes as they come. One batch is hashed and stored while the next is being received."""

    def __init__(self, blobs: BlobStore) -> None:
        self.id = secrets.token_hex(16)
        self.size = 0
        self._blobs = blobs
        self._buffer = bytearray()
        self._pieces = 0
        self._hash = hashlib.sha256()
        self._under_way: asyncio.Task[None] | None = None

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Raises what the store raises when it is full or away, perhaps one batch later."""
        self.size += len(data)
        self._buffer += data
        if len(self._buffer) >= BATCH_BYTES:
            await self._flush(len(self._buffer) // PIECE_BYTES * PIECE_BYTES)

    async def finish(self) -> Blob:
        """Writes the last piece. The blob still expires until a job takes it over."""
        if self._buffer or not self._pieces:
            await self._flush(len(self._buffer))
        await self._settle()
        return Blob(id=self.id, size=self.size, sha256=self._hash.hexdigest())

    async def discard(self) -> None:
        with contextlib.suppress(RedisError):  # what failed under way does not matter any more, but must be over
            await self._settle()
        await self._blobs.discard(self.id)

    async def _flush(self, size: int) -> None:
        await self._settle()
        batch = bytes(self._buffer[:size])
        del self._buffer[:size]
        starts = range(0, max(1, len(batch)), PIECE_BYTES)  # an empty upload is one empty piece
        pieces = [memoryview(batch)[start : start + PIECE_BYTES] for start in starts]
        self._under_way = asyncio.create_task(self._store(batch, self._pieces, pieces))
        self._pieces += len(pieces)

    async def _settle(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way:
            await under_way

    async def _store(self, batch: bytes, first: int, pieces: Sequence[Bytes]) -> None:
        if len(batch) < THREAD_BYTES:
            self._hash.update(batch)
            await self._blobs.append(self.id, first, pieces)
        else:
            await asyncio.gather(
                self._blobs.append(self.id, first, pieces), asyncio.to_thread(self._hash.update, batch)
            )
