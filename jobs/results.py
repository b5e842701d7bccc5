"""The values of committed chunks, in the order of the rows. Used by the web process.

Does not write them: see `queue`; nor where they lie: see `blobs`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from jobs import errors, keys
from jobs.blobs import IDS, BlobStore
from jobs.connection import RedisClient
from jobs.errors import UnreadableRecord
from jobs.sample import SampledRows
from jobs.scripts import source

Id = str | int | float | None
READ_AHEAD = 64
"""Chunk results listed at once while values are streamed."""


class Results:
    """Over one Redis client and the store of the values."""

    def __init__(self, redis: RedisClient, blobs: BlobStore, *, job_ttl_s: int) -> None:
        self._redis = redis
        self._blobs = blobs
        self._job_ttl_s = job_ttl_s
        self._forget = redis.register_script(source("forget"))

    async def exist(self, job_id: str) -> bool:
        return bool(await self._redis.exists(keys.results(job_id)))

    async def sample(self, job_id: str) -> list[SampledRows]:
        """Of the chunks that are committed, in the order of the rows; none where nothing is kept, or not any more."""
        raw = await self._redis.hvals(keys.sample(job_id))
        return sorted((_decode_sample(frame) for frame in raw), key=lambda found: found.rows[0])

    async def forget(self, job_id: str) -> None:
        """Only for a job that has ended: see `Store.forget_values`."""
        await self._forget(keys=keys.of_job(job_id), args=[job_id])

    async def read(
        self, job_id: str, *, row_bytes: int, first: int, last: int, more: Callable[[], Awaitable[bool]] | None = None
    ) -> AsyncIterator[bytes]:
        """The values of rows `first` to `last` (inclusive), in order, a piece at a time.

        `row_bytes` is the size of one row's values. They end early where a chunk is missing, unless `more` is given:
        it waits a moment and tells whether the job is still under way. Before a wait comes an empty piece. Raises
        ResultExpired when a piece has gone.
        """
        row, under_way = first, more is not None
        while row <= last:
            before = row
            for chunk_first, chunk_last, token in await self._committed(job_id, row):
                if chunk_first > row or row > last:
                    break
                skip = (row - chunk_first) * row_bytes
                stop = (min(last, chunk_last) - chunk_first + 1) * row_bytes
                async for piece in self._chunk_values(job_id, f"{chunk_first}-{chunk_last}", token, skip, stop):
                    yield piece
                row = chunk_last + 1
            if row == before:
                if not under_way:
                    return
                yield b""
                under_way = bool(more and await more())

    async def ids(self, job_id: str, row: int) -> tuple[int, list[Id]]:
        """The first row of the chunk that holds a row, and the ids of all its rows. Raises ResultExpired."""
        gone = errors.ResultExpired(job_id=job_id, ttl_s=self._job_ttl_s)
        chunks = await self._committed(job_id, row)
        if not chunks or chunks[0][0] > row:
            raise gone
        first, last, token = chunks[0]
        raw = await self._blobs.get_values(job_id, f"{first}-{last}", token, IDS)
        try:
            found = msgspec.msgpack.decode(raw or b"", type=list[Id])
        except msgspec.MsgspecError:
            raise gone from None
        if len(found) != last - first + 1:
            raise gone
        return first, found

    async def _committed(self, job_id: str, row: int) -> list[tuple[int, int, int]]:
        """First row, last row and token of the committed chunk that holds a row, and of some that come after it."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrevrangebyscore(keys.results(job_id), row, "-inf", 0, 1)
            pipe.zrangebyscore(keys.results(job_id), f"({row}", "+inf", 0, READ_AHEAD)
            holding, following = await pipe.execute()
        found = [_chunk_of(entry) for entry in [*holding, *following]]
        return [chunk for chunk in found if chunk[1] >= row]

    async def _chunk_values(self, job_id: str, chunk: str, token: int, skip: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes `skip` to `stop` of one chunk's values."""
        offset = number = 0
        while offset < stop:
            piece = await self._blobs.get_values(job_id, chunk, token, number)
            if piece is None:
                raise errors.ResultExpired(job_id=job_id, ttl_s=self._job_ttl_s)
            wanted = piece[max(skip - offset, 0) : stop - offset]
            offset, number = offset + len(piece), number + 1
            if wanted:
                yield wanted


def _decode_sample(raw: bytes) -> SampledRows:
    """Raises UnreadableRecord."""
    try:
        return msgspec.msgpack.decode(raw, type=SampledRows)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableRecord(what="a sample", reason=str(error)) from None


def _chunk_of(entry: bytes) -> tuple[int, int, int]:
    """First row, last row and token of an entry in the results."""
    chunk, token = entry.decode().split(":")
    first, last = chunk.split("-")
    return int(first), int(last), int(token)
