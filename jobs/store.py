"""What callers do with jobs: submit, look, cancel. Used by the web process.

Does not lease or finish chunks: see `queue`; nor read values: see `results`. Every change of state is one Lua script.
"""

import hashlib
import secrets

import msgspec

from jobs import errors, keys
from jobs.blobs import BlobStore, RedisBlobs
from jobs.connection import RedisClient
from jobs.options import Options
from jobs.outcomes import Attempt
from jobs.records import OPEN, Blob, Input, Job, job_from_hash, json_text
from jobs.registered import RegisteredModels
from jobs.results import Results
from jobs.scripts import source
from jobs.states import JobState


class Store:
    """Operations on jobs, over one Redis client."""

    def __init__(self, redis: RedisClient, *, job_ttl_s: int, blobs: BlobStore | None = None) -> None:
        self.redis = redis
        self.blobs = blobs or RedisBlobs(redis)
        self.models = RegisteredModels(redis)
        self.results = Results(redis, self.blobs, job_ttl_s=job_ttl_s)
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
        idempotency = [keys.idempotency(_digest(idempotency_key))] if idempotency_key else []
        status, found = await self._submit(
            keys=[*keys.of_job(job_id), *idempotency],
            args=[
                job_id,
                _fingerprint(inputs, options),
                self.job_ttl_s,
                json_text(OPEN),
                len(blobs),
                *(keys.blob(blob.id) for blob in blobs),
                *_record(job_id, inputs, options, blobs),
            ],
        )
        if status != b"created":
            await self._discard_uploads(inputs)
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
        await self.results.forget(job_id)

    async def _discard_uploads(self, inputs: dict[str, Input]) -> None:
        for part in inputs.values():
            if part.blob and not part.registered:
                await self.blobs.discard(part.blob.id)


def _record(job_id: str, inputs: dict[str, Input], options: Options, blobs: list[Blob]) -> list[str]:
    """The job's fields and their values, one after the other."""
    fields = {
        "job_id": job_id,
        "options": json_text(options),
        "inputs": json_text(inputs),
        "blobs": json_text([blob.id for blob in blobs]),
    }
    return [item for pair in fields.items() for item in pair]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fingerprint(inputs: dict[str, Input], options: Options) -> str:
    parts = sorted((name, part.identity) for name, part in inputs.items())
    return _digest(json_text([parts, options]))
