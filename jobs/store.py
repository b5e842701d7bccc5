"""What callers do with jobs: submit, look, fetch, cancel. Used by the web process.

Does not lease or finish chunks: see `queue`. Every change of state is one Lua script.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from jobs import errors, keys
from jobs.blobs import BlobStore, RedisBlobs
from jobs.connection import RedisClient
from jobs.options import Options
from jobs.outcomes import Attempt
from jobs.overview import FORGET_S
from jobs.records import OPEN, Blob, Input, Job, job_from_hash, json_text
from jobs.registered import RegisteredModels
from jobs.scripts import source
from jobs.states import JobState

READ_AHEAD = 64
"""Chunk results listed at once while values are streamed."""


class Store:
    """Operations on jobs, over one Redis client."""

    def __init__(self, redis: RedisClient, *, job_ttl_s: int, blobs: BlobStore | None = None) -> None:
        self.redis = redis
        self.blobs = blobs or RedisBlobs(redis)
        self.models = RegisteredModels(redis)
        self.job_ttl_s = job_ttl_s
        self._submit = redis.register_script(source("submit"))
        self._cancel = redis.register_script(source("cancel"))

    async def submit(self, inputs: dict[str, Input], options: Options, idempotency_key: str | None = None) -> str:
        """Write a job over finished uploads and push it on the queue; returns its id.

        With a known idempotency key the earlier job's id, and the new uploads are dropped.
        Raises IdempotencyMismatch, StorageUnavailable (an upload has expired meanwhile).
        """
        job_id = secrets.token_hex(12)
        blobs = [part.blob for part in inputs.values() if part.blob]
        record = {
            "job_id": job_id,
            "options": json_text(options),
            "inputs": json_text(inputs),
            "blobs": json_text([blob.id for blob in blobs]),
        }
        status, found = await self._submit(
            keys=[*keys.of_job(job_id), keys.idempotency(_digest(idempotency_key)) if idempotency_key else ""],
            args=[
                job_id,
                _fingerprint(inputs, options),
                self.job_ttl_s,
                json_text(OPEN),
                len(blobs),
                *(keys.blob(blob.id) for blob in blobs),
                *(item for pair in record.items() for item in pair),
            ],
        )
        if status != b"created":
            await self._drop([part.blob for part in inputs.values() if part.blob and not part.registered])
        if status == b"mismatch":
            raise errors.IdempotencyMismatch(job_id=found.decode())
        if status == b"gone":
            raise errors.StorageUnavailable()
        return str(found.decode())

    async def job(self, job_id: str) -> Job:
        """Raises UnknownJob."""
        job = job_from_hash(await self.redis.hgetall(keys.job(job_id)))
        if job is None:
            raise errors.UnknownJob(job_id=job_id)
        return job

    async def jobs(self, *, offset: int = 0, limit: int = 50) -> list[Job]:
        """The newest jobs first; those that have expired are dropped from the index on the way."""
        ids = [raw.decode() for raw in await self.redis.zrevrange(keys.JOBS, offset, offset + limit - 1)]
        async with self.redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hgetall(keys.job(job_id))
            found = [job_from_hash(fields) for fields in await pipe.execute()]
        gone = [job_id for job_id, job in zip(ids, found, strict=True) if job is None]
        if gone:
            await self.redis.zrem(keys.JOBS, *gone)
        return [job for job in found if job]

    async def attempts(self, job_id: str, *, last: int = 100) -> list[Attempt]:
        """The last attempts of a job, oldest first."""
        raw = await self.redis.lrange(keys.attempts(job_id), -last, -1)
        return [msgspec.json.decode(item, type=Attempt) for item in raw]

    async def cancel(self, job_id: str) -> JobState:
        """Cancel a job that has not ended; returns the state that it is in now. Raises UnknownJob."""
        state = await self._cancel(keys=keys.of_job(job_id), args=[job_id, self.job_ttl_s])
        if state is None:
            raise errors.UnknownJob(job_id=job_id)
        return JobState(state.decode())

    async def forget_values(self, job_id: str) -> None:
        """Delete the values of a job that has ended; its record stays. Raises UnknownJob, NotReady."""
        job = await self.job(job_id)
        if not job.ended:
            raise errors.NotReady(state=job.state.value)
        await self.redis.unlink(keys.values(job_id), keys.results(job_id))

    async def has_values(self, job_id: str) -> bool:
        return bool(await self.redis.exists(keys.results(job_id)))

    async def values(
        self, job_id: str, *, row_bytes: int, first: int, last: int, more: Callable[[], Awaitable[bool]] | None = None
    ) -> AsyncIterator[bytes]:
        """The values of rows `first` to `last` (inclusive), in order, a piece at a time.

        `row_bytes` is the size of one row's values. They end early where a chunk is missing, unless `more` is given:
        it waits a moment and tells whether the job is still under way. Before a wait
        comes an empty piece. Raises ResultExpired when a piece has gone.
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

    async def _committed(self, job_id: str, row: int) -> list[tuple[int, int, int]]:
        """First row, last row and token of the committed chunk that holds a row, and of some that come after it."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zrevrangebyscore(keys.results(job_id), row, "-inf", 0, 1)
            pipe.zrangebyscore(keys.results(job_id), f"({row}", "+inf", 0, READ_AHEAD)
            holding, following = await pipe.execute()
        found = [_chunk_of(entry) for entry in [*holding, *following]]
        return [chunk for chunk in found if chunk[1] >= row]

    async def _chunk_values(self, job_id: str, chunk: str, token: int, skip: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes `skip` to `stop` of one chunk's values."""
        offset = number = 0
        while offset < stop:
            piece = await self.blobs.get_values(job_id, chunk, token, number)
            if piece is None:
                raise errors.ResultExpired(job_id=job_id, ttl_s=self.job_ttl_s)
            wanted = piece[max(skip - offset, 0) : stop - offset]
            offset, number = offset + len(piece), number + 1
            if wanted:
                yield wanted

    async def snapshots(self) -> list[dict[str, Any]]:
        """The latest snapshot of every supervisor that has sent a heartbeat lately; the long dead are forgotten."""
        seconds, _ = await self.redis.time()
        await self.redis.zremrangebyscore(keys.SUPERVISORS, "-inf", seconds - FORGET_S)
        names = [raw.decode() for raw in await self.redis.zrange(keys.SUPERVISORS, 0, -1)]
        raw = await self.redis.mget([keys.snapshot(name) for name in names]) if names else []
        return [msgspec.json.decode(snapshot) for snapshot in raw if snapshot]

    async def outcomes(self) -> dict[str, int]:
        """Attempts by outcome, over all jobs."""
        counts = await self.redis.hgetall(keys.OUTCOMES)
        return {name.decode(): int(count) for name, count in counts.items()}

    async def failures(self) -> list[dict[str, Any]]:
        """The last attempts that did not succeed, newest first, each with its job_id."""
        return [msgspec.json.decode(raw) for raw in await self.redis.lrange(keys.FAILURES, 0, -1)]

    async def _drop(self, blobs: list[Blob]) -> None:
        for blob in blobs:
            await self.blobs.discard(blob.id)


def _chunk_of(entry: bytes) -> tuple[int, int, int]:
    """First row, last row and token of an entry in the results."""
    chunk, token = entry.decode().split(":")
    first, last = chunk.split("-")
    return int(first), int(last), int(token)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fingerprint(inputs: dict[str, Input], options: Options) -> str:
    parts = sorted((name, part.identity) for name, part in inputs.items())
    return _digest(json_text([parts, options]))
