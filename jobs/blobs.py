"""Uploads in the blob store: written piece by piece by the web process, read anywhere by a supervisor.

Does not know what is in them. A blob that no job took over expires by itself.
"""

import asyncio
import contextlib
import hashlib
import secrets

from jobs import keys
from jobs.codec import PIECE_BYTES
from jobs.connection import RedisClient, RedisError
from jobs.records import Blob

UPLOAD_TTL_S = 3_600
BATCH_BYTES = 2 * PIECE_BYTES


class BlobWriter:
    """Takes an upload's bytes as they come. One batch is hashed and stored while the next is being received."""

    def __init__(self, redis: RedisClient) -> None:
        self.id = secrets.token_hex(16)
        self.size = 0
        self._redis = redis
        self._buffer = bytearray()
        self._pieces = 0
        self._hash = hashlib.sha256()
        self._under_way: asyncio.Task[None] | None = None

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Raises redis.exceptions.OutOfMemoryError when Redis is full, perhaps one batch later."""
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
        await self._redis.unlink(keys.blob(self.id))

    async def _flush(self, size: int) -> None:
        await self._settle()
        batch = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._under_way = asyncio.create_task(self._store(batch))

    async def _settle(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way:
            await under_way

    async def _store(self, batch: bytes) -> None:
        starts = range(0, max(1, len(batch)), PIECE_BYTES)  # an empty upload is one empty piece
        pieces = [memoryview(batch)[start : start + PIECE_BYTES] for start in starts]
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.blob(self.id), mapping=dict(enumerate(pieces, self._pieces)))
            pipe.expire(keys.blob(self.id), UPLOAD_TTL_S)
            self._pieces += len(pieces)
            await asyncio.gather(pipe.execute(), asyncio.to_thread(self._hash.update, batch))


class BlobGone(Exception):
    """The blob is not there any more: its job has ended, or Redis lost it."""


async def read_blob(redis: RedisClient, blob: Blob, offset: int, length: int) -> bytes:
    """Bytes `offset` to `offset + length`, fewer only at the end of the blob. Raises BlobGone."""
    end = min(offset + length, blob.size)
    if offset >= end:
        return b""
    first, last = offset // PIECE_BYTES, (end - 1) // PIECE_BYTES
    pieces = await redis.hmget(keys.blob(blob.id), [str(number) for number in range(first, last + 1)])
    if any(piece is None for piece in pieces):
        raise BlobGone(blob.id)
    start = offset - first * PIECE_BYTES
    return b"".join(pieces)[start : start + end - offset]
