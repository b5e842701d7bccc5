"""Uploads in the blob store: written piece by piece by the web process, read anywhere by a supervisor.

Does not know what is in them. A blob that no job took over expires by itself.
"""

import hashlib
import secrets

from jobs import keys
from jobs.codec import PIECE_BYTES
from jobs.connection import RedisClient
from jobs.records import Blob

UPLOAD_TTL_S = 3_600


class BlobWriter:
    """Takes an upload's bytes as they come and holds at most one piece of them."""

    def __init__(self, redis: RedisClient) -> None:
        self.id = secrets.token_hex(16)
        self.size = 0
        self._redis = redis
        self._buffer = bytearray()
        self._pieces = 0
        self._hash = hashlib.sha256()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Raises redis.exceptions.OutOfMemoryError when Redis is full."""
        self._hash.update(data)
        self.size += len(data)
        self._buffer += data
        while len(self._buffer) >= PIECE_BYTES:
            await self._put(bytes(self._buffer[:PIECE_BYTES]))
            del self._buffer[:PIECE_BYTES]

    async def finish(self) -> Blob:
        """Writes the last piece. The blob still expires until a job takes it over."""
        if self._buffer or not self._pieces:
            await self._put(bytes(self._buffer))
        return Blob(id=self.id, size=self.size, sha256=self._hash.hexdigest())

    async def discard(self) -> None:
        await self._redis.unlink(keys.blob(self.id))

    async def _put(self, piece: bytes) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.blob(self.id), str(self._pieces), piece)
            pipe.expire(keys.blob(self.id), UPLOAD_TTL_S)
            await pipe.execute()
        self._pieces += 1


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
