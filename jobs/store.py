"""What callers do with jobs: submit, look, cancel; each with its own, the operator with all. Used by the web process.

Does not lease or finish chunks: see `queue`; nor read values: see `results`. Every change of state is one Lua script.
"""

import copy
import hashlib
import secrets
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import structlog

from jobs import errors, keys, traces
from jobs.blobs import BlobStore, RedisBlobs
from jobs.callers import OPERATOR, Caller
from jobs.connection import RedisClient, RedisError, is_of_another_type
from jobs.errors import UnreadableRecord
from jobs.options import Options
from jobs.outcomes import Attempt
from jobs.records import (
    LISTED,
    NO_FOLLOW_UP,
    OPEN,
    Blob,
    Chunk,
    FollowUp,
    Input,
    Job,
    chunk_from,
    job_from_hash,
    json_text,
)
from jobs.registered import RegisteredModels
from jobs.results import Results
from jobs.scripts import source
from jobs.states import JobState

log = structlog.get_logger()


class Listing(NamedTuple):
    """Some of the newest jobs, the newest first."""

    jobs: list[Job]
    """As they are read without `records.LEFT_OUT`."""
    unreadable: list[str]
    """Ids of those whose records cannot be read."""


class ModelReplaced(Exception):
    """The registered model that was named has been replaced or deleted meanwhile; the uploads are still there."""


def random_id() -> str:
    """A job's name that nobody can guess."""
    return secrets.token_hex(12)


class Store:
    """Operations on jobs, over one Redis client; without `of`, the operator's.

    Another caller's job is to all of them one that is not there. `new_id` names jobs; others are for tests.
    """

    def __init__(
        self,
        redis: RedisClient,
        *,
        job_ttl_s: int,
        blobs: BlobStore | None = None,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        self.redis = redis
        self.caller = OPERATOR
        self.blobs = blobs or RedisBlobs(redis)
        self.models = RegisteredModels(redis)
        self.results = Results(redis, self.blobs, job_ttl_s=job_ttl_s)
        self.job_ttl_s = job_ttl_s
        self._new_id = new_id
        self._submit = redis.register_script(source("submit"))
        self._cancel = redis.register_script(source("cancel"))
        self._account = redis.register_script(source("account"))

    def of(self, caller: Caller) -> "Store":
        """The same store as this caller sees it."""
        found = copy.copy(self)
        found.caller = caller
        found.models = copy.copy(self.models)
        found.models.caller = caller
        return found

    async def submit(
        self,
        inputs: dict[str, Input],
        options: Options,
        idempotency_key: str | None = None,
        follow_up: FollowUp = NO_FOLLOW_UP,
    ) -> str:
        """Write a job over finished uploads and push it on the queue; returns its id.

        With a known idempotency key the earlier job's id, and the new uploads are dropped.
        Raises ModelReplaced, IdempotencyMismatch, StorageUnavailable (an upload has expired meanwhile), TooManyJobs,
        TooManyBytes.
        """
        job_id, caller = self._new_id(), self.caller
        blobs = [part.blob for part in inputs.values() if part.blob]
        own = [part.blob.size for part in inputs.values() if part.blob and not part.registered]
        named = {keys.blob(part.blob.id) for part in inputs.values() if part.blob and part.registered}
        idempotency = [keys.idempotency(_digest(idempotency_key), caller.name)] if idempotency_key else []
        status, found = await self._submit(
            keys=[*keys.of_job(job_id), *idempotency],
            args=[
                job_id,
                _fingerprint(inputs, options, follow_up),
                self.job_ttl_s,
                json_text(OPEN),
                caller.name,
                caller.most_jobs,
                caller.most_bytes,
                sum(own),
                len(blobs),
                *(keys.blob(blob.id) for blob in blobs),
                *_record(job_id, inputs, options, blobs, follow_up),
            ],
        )
        if status == b"gone" and found.decode() in named:
            raise ModelReplaced
        if status != b"created":
            await self._discard_uploads(inputs)
        if status == b"mismatch":
            raise errors.IdempotencyMismatch(job_id=found.decode())
        if status == b"gone":
            raise errors.StorageUnavailable()
        self._refuse(jobs=status == b"jobs", size=status == b"bytes")
        return str(found.decode())

    async def check_quota(self, size: int, *, job: bool = True) -> None:
        """Whether so many bytes, those of another `job`, would be taken now. Raises TooManyJobs, TooManyBytes."""
        caller = self.caller
        if caller.most_jobs or caller.most_bytes:
            jobs, size_now = await self._account(args=["", caller.name])
            self._refuse(jobs=job and jobs >= caller.most_jobs > 0, size=size_now + size > caller.most_bytes > 0)

    def _refuse(self, *, jobs: bool, size: bool) -> None:
        if jobs:
            raise errors.TooManyJobs(limit=self.caller.most_jobs)
        if size:
            raise errors.TooManyBytes(limit_bytes=self.caller.most_bytes)

    async def job(self, job_id: str) -> Job:
        """Raises UnknownJob and UnreadableRecord."""
        fields = await self._fields(job_id)
        whose = fields.get(b"caller", b"").decode(errors="replace")
        if not (self.caller.sees_all or whose == self.caller.name):
            raise errors.UnknownJob(job_id=job_id)
        job = job_from_hash(fields)
        if job is None:
            raise errors.UnknownJob(job_id=job_id)
        return job

    async def _fields(self, job_id: str) -> dict[bytes, bytes]:
        try:
            fields: dict[bytes, bytes] = await self.redis.hgetall(keys.job(job_id))
        except RedisError as error:
            if not is_of_another_type(error):
                raise
            raise UnreadableRecord(what=f"job {job_id}", reason=str(error)) from None
        return fields

    async def jobs(self, *, offset: int = 0, limit: int = 50) -> Listing:
        """The newest jobs first; those that have expired are dropped from the index on the way."""
        found = await self._newest(offset, limit)
        async with self.redis.pipeline(transaction=False) as pipe:
            for _, job_id in found:
                pipe.hmget(keys.job(job_id), LISTED)
            records = await pipe.execute(raise_on_error=False)
        jobs, unreadable, gone = [], [], []
        for (index, job_id), record in zip(found, records, strict=True):
            try:
                job = _listed(record)
            except UnreadableRecord as problem:
                log.warning("record_unreadable", job_id=job_id, error=problem.detail["reason"])
                unreadable.append(job_id)
                continue
            if job:
                jobs.append(job)
            else:
                gone.append((index, job_id))
        await self._drop(gone)
        return Listing(jobs, unreadable)

    async def _drop(self, gone: list[tuple[str, str]]) -> None:
        async with self.redis.pipeline(transaction=False) as pipe:
            for index, job_id in gone:
                pipe.zrem(index, job_id)
            await pipe.execute()

    async def whose(self) -> list[str]:
        """The names of those whose jobs and models this caller sees."""
        if not self.caller.sees_all:
            return [self.caller.name]
        return ["", *sorted(raw.decode() for raw in await self.redis.smembers(keys.CALLERS))]

    async def _newest(self, offset: int, limit: int) -> list[tuple[str, str]]:
        """Jobs with the index that each stands in: the caller's own, or all."""
        indexes = [keys.own(keys.JOBS, name) for name in await self.whose()]
        if len(indexes) == 1:
            found = await self.redis.zrevrange(indexes[0], offset, offset + limit - 1)
            return [(indexes[0], raw.decode()) for raw in found]
        async with self.redis.pipeline(transaction=False) as pipe:
            for index in indexes:
                pipe.zrevrange(index, 0, offset + limit - 1, withscores=True)
            lists = await pipe.execute()
        merged = [(at, index, raw) for index, items in zip(indexes, lists, strict=True) for raw, at in items]
        newest = sorted(merged, key=lambda item: item[0], reverse=True)[offset : offset + limit]
        return [(index, raw.decode()) for _, index, raw in newest]

    async def attempts(self, job_id: str, *, last: int = 100) -> list[Attempt]:
        """The last attempts of a job, oldest first."""
        raw = await self.redis.lrange(keys.attempts(job_id), -last, -1)
        found = (_attempt(item) for item in raw)
        return [attempt for attempt in found if attempt]

    async def chunks(self, job_id: str, *, most: int) -> tuple[int, list[Chunk]]:
        """How many chunks of rows a job has had, halved ones too, and, where those are no more than `most`, all of
        them. Raises UnknownJob.
        """
        await self.job(job_id)
        total = int(await self.redis.hlen(keys.chunks(job_id)))
        if total > most:
            return total, []
        found = (chunk_from(raw) for raw in await self.redis.hvals(keys.chunks(job_id)))
        rows = [chunk for chunk in found if chunk and chunk.kind == "rows"]
        return len(rows), rows

    async def cancel(self, job_id: str) -> JobState:
        """Cancel a job that has not ended; returns the state that it is in now. Raises UnknownJob."""
        whose = "*" if self.caller.sees_all else self.caller.name
        state = await self._cancel(keys=keys.of_job(job_id), args=[job_id, self.job_ttl_s, whose])
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


def _listed(record: list[bytes | None] | Exception) -> Job | None:
    """Raises UnreadableRecord, and what Redis has raised."""
    if isinstance(record, RedisError) and is_of_another_type(record):
        raise UnreadableRecord(what="a job", reason=str(record))
    if isinstance(record, Exception):
        raise record
    return job_from_hash({name.encode(): raw for name, raw in zip(LISTED, record, strict=True) if raw is not None})


def _attempt(raw: bytes) -> Attempt | None:
    """None where it cannot be read: the others can."""
    try:
        return msgspec.json.decode(raw, type=Attempt)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _record(
    job_id: str, inputs: dict[str, Input], options: Options, blobs: list[Blob], follow_up: FollowUp
) -> list[str]:
    """The job's fields and their values, one after the other."""
    fields = {
        "job_id": job_id,
        "options": json_text(options),
        "inputs": json_text(inputs),
        "blobs": json_text([blob.id for blob in blobs]),
        **({"follow_up": json_text(follow_up)} if follow_up else {}),
        **({"traceparent": parent} if (parent := traces.current()) else {}),
    }
    return [item for pair in fields.items() for item in pair]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fingerprint(inputs: dict[str, Input], options: Options, follow_up: FollowUp) -> str:
    parts = sorted((name, part.identity) for name, part in inputs.items())
    return _digest(json_text([parts, options, *([follow_up] if follow_up else [])]))
