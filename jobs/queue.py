"""What a supervisor does with chunks: lease, renew, plan, store values, finish, settle. One script each.

Every call that changes a chunk carries its fencing token; a stale one changes nothing and is answered False. Does not
decide what follows from an outcome: see `supervisor.chunks.decide`.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from redis.exceptions import NoScriptError

from jobs import keys, warnings
from jobs.blobs import BlobGone, BlobStore, RedisBlobs
from jobs.connection import BLOCK_S, OutOfMemoryError, RedisClient
from jobs.errors import StorageFull
from jobs.kept import row_bytes
from jobs.options import Options
from jobs.outcomes import Attempt
from jobs.protocol import Done, Whole
from jobs.protocol import encode as encode_frame
from jobs.records import (
    About,
    Chunk,
    Job,
    JobError,
    Layout,
    ModelInfo,
    chunk_from,
    job_from_hash,
    json_text,
)
from jobs.scripts import bare, source
from jobs.spans import Span, Spans

EXPIRED_AT_ONCE = 200
"""Leases looked at in one go by a rescue."""
Call = tuple[Any, ...]
"""A script's name, the job, and its other arguments."""
PAGE = 500
"""Chunks asked for at once where a job may have many."""
FULL_PATIENCE_S, FULL_RETRY_S = 30.0, 0.5


class Lease(msgspec.Struct, kw_only=True):
    """One chunk of one job, held under a fencing token until it is settled or the lease expires."""

    job_id: str
    chunk: Chunk
    fields: dict[bytes, bytes] = {}
    """The job's record as it stood when the lease was drawn; none of leases that are only looked up."""

    @property
    def token(self) -> int:
        return self.chunk.token

    @property
    def job(self) -> Job | None:
        """Read anew at each call. Raises UnreadableRecord."""
        return job_from_hash(self.fields)


class OpenedJob(msgspec.Struct, kw_only=True):
    """What an opening has found out."""

    model: ModelInfo
    layout: Layout
    rows: int
    spans: Sequence[Span] | Spans
    cap_bytes: int

    def fields(self, options: Options) -> dict[str, Any]:
        """Of the job's record."""
        return {
            "rows": self.rows,
            "cap_bytes": self.cap_bytes,
            "model": json_text(self.model),
            "layout": json_text(self.layout),
            "about": json_text(About.of(self.model, self.layout)),
            "warnings": json_text(warnings.merged(self.model.warnings, self.layout.warnings)),
            "row_bytes": row_bytes(self.layout, self.model, options),  # its caller is charged for each row that is done
        }


class Decision(msgspec.Struct, kw_only=True):
    """What follows from an attempt that did not succeed."""

    action: Literal["retry", "halve", "fail"]
    counts: Literal["attempts", "crashes", ""]
    """The counter that goes up; none when a supervisor shuts down."""
    chunks: list[Chunk] = []
    """For `halve`: what takes the chunk's place."""
    error: JobError | None = None
    """For `fail`."""


class Queue:
    """The supervisor's side of the store. `blocking` is a client for calls that block."""

    def __init__(
        self,
        redis: RedisClient,
        blocking: RedisClient,
        *,
        supervisor: str,
        lease_s: float,
        job_ttl_s: int,
        blobs: BlobStore | None = None,
    ) -> None:
        self.redis = redis
        self.blobs = blobs or RedisBlobs(redis)
        self.supervisor = supervisor
        self.incarnation = secrets.token_hex(8)
        """Tells this process's leases from those of others under the same name, earlier ones or one that is alive."""
        self._blocking = blocking
        self._lease_s = lease_s
        self._job_ttl_s = job_ttl_s
        names = ("lease", "renew", "plan", "finish", "settle")
        self._rotate = redis.register_script(bare("rotate"))
        self._scripts = {name: redis.register_script(source(name)) for name in names}

    async def next_caller(self) -> str | None:
        """Whose turn it is of the callers with pending chunks ("" the unnamed one), waiting up to BLOCK_S for any.

        Nothing is lost when the reply is.
        """
        try:
            raw = await self._blocking.blmove(keys.TURNS, keys.TURNS, BLOCK_S, "LEFT", "RIGHT")
            full = False
        except OutOfMemoryError:
            raw, full = None, True
        if raw is None:
            raw = await self._rotate(keys=[keys.TURNS, keys.READY])
        if raw is None and full:
            await asyncio.sleep(BLOCK_S)
        return None if raw is None else raw.decode()

    async def has_ready(self) -> bool:
        """Whether any job has pending chunks."""
        return bool(await self.redis.exists(keys.TURNS, keys.READY))

    async def lease(self, job_id: str = "", *, caller: str = "") -> Lease | None:
        """Take the next pending chunk of a job, or of the next job in a caller's rotation; None when there is none."""
        raw = await self._run("lease", job_id, self.supervisor, self._lease_s, self.incarnation, caller)
        if raw is None:
            return None
        chunk, record, found = raw
        fields = dict(zip(record[::2], record[1::2], strict=True))
        return Lease(job_id=found.decode(), chunk=msgspec.json.decode(chunk, type=Chunk), fields=fields)

    async def renew(self, lease: Lease) -> bool:
        return bool(await self._run("renew", lease.job_id, lease.chunk.id, lease.token, self._lease_s))

    async def plan(self, lease: Lease, opened: OpenedJob, attempt: Attempt | None) -> bool:
        """Commit an opened job. Without an attempt it goes on: `lease` becomes the single chunk's."""
        held = await self._run(*self._plan_call(lease, opened, attempt))
        if held and attempt is None:
            lease.chunk = lease.chunk.opened(opened.spans[0])
        return bool(held)

    def _plan_call(self, lease: Lease, opened: OpenedJob, attempt: Attempt | None) -> Call:
        fields = opened.fields(msgspec.json.decode(lease.fields[b"options"], type=Options))
        ended = "" if attempt is None else json_text(attempt)
        pairs = (item for pair in fields.items() for item in pair)
        return "plan", lease.job_id, lease.token, self._lease_s, _json_list(opened.spans), ended, *pairs

    async def put_values(self, lease: Lease, number: int | str, data: bytes) -> bool:
        """Store a piece of the chunk's values. A full store is given FULL_PATIENCE_S, for other chunks' rows leave it.

        Raises StorageFull.
        """
        for _ in range(int(FULL_PATIENCE_S / FULL_RETRY_S)):
            with contextlib.suppress(OutOfMemoryError):
                return await self.blobs.put_values(lease.job_id, lease.chunk.id, lease.token, number, data)
            await asyncio.sleep(FULL_RETRY_S)
        raise StorageFull

    async def finish(self, lease: Lease, attempt: Attempt, done: Done) -> bool:
        """Commit a chunk that succeeded; with a summary the job is finished."""
        return await self._finished(await self._run(*self._finish_call(lease, attempt, done)))

    async def finish_at_once(self, lease: Lease, attempt: Attempt, opened: OpenedJob, whole: Whole) -> bool:
        """Commit a small job, of which the store knows no more than that it is opened: `lease` is its only chunk's."""
        plan = self._plan_call(lease, opened, None)
        if self.blobs.in_redis:
            _, found = await self._run_together(plan, self._finish_call(lease, attempt, whole.done, whole.values))
            return await self._finished(found)
        held = bool(await self._run(*plan)) and await self.put_values(lease, 0, whole.values)
        return held and await self.finish(lease, attempt, whole.done)

    def _finish_call(self, lease: Lease, attempt: Attempt, done: Done, values: bytes = b"") -> Call:
        return (
            "finish",
            lease.job_id,
            lease.chunk.id,
            lease.token,
            json_text(attempt),
            self._job_ttl_s,
            b"" if done.partial is None else encode_frame(done.partial),
            "" if done.summary is None else json_text(done.summary),
            json_text(warnings.of_summary(done.summary)),
            b"" if done.sample is None else msgspec.msgpack.encode(done.sample),
            values,
        )

    async def _finished(self, found: list[Any]) -> bool:
        """What the script has answered: nothing, where the token no longer held the chunk."""
        if not found:
            return False
        blob, *pieces = found
        if pieces:
            await self.blobs.freed(blob.decode(), pieces)
        return True

    async def settle(
        self, lease: Lease, attempt: Attempt | None, decision: Decision, *, expired_only: bool = False
    ) -> bool:
        """Account for an attempt that did not succeed: back into the queue, or the end of its job.

        None for an attempt that was never begun.
        """
        held = bool(
            await self._run(
                "settle",
                lease.job_id,
                lease.chunk.id,
                lease.token,
                "" if attempt is None else json_text(attempt),
                self._job_ttl_s,
                json_text({"action": decision.action, "counts": decision.counts, "chunks": decision.chunks}),
                "" if decision.error is None else json_text(decision.error),
                "expired" if expired_only else "",
            )
        )
        if held and lease.chunk.kind == "rows":
            await self.blobs.drop_values(lease.job_id, lease.chunk.id, lease.token)
        return held

    async def partial_sizes(self, job_id: str) -> list[int]:
        """The size of every chunk's Partial as a frame, in the order of the rows."""
        sizes: list[int] = []
        while names := await self._chunk_names(job_id, len(sizes), PAGE):
            async with self.redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.hstrlen(keys.partials(job_id), name)
                sizes += await pipe.execute()
        return sizes

    async def partials(self, job_id: str, first: int, count: int) -> bytes:
        """The frames of `count` chunks from number `first`, in the order of the rows.

        Raises BlobGone when they are not there any more: the job has ended.
        """
        names = await self._chunk_names(job_id, first, count)
        frames = await self.redis.hmget(keys.partials(job_id), names) if names else []
        if len(frames) < count or None in frames:
            raise BlobGone(f"partials of {job_id}")
        return b"".join(frames)

    async def expired(self) -> tuple[list[Lease], float | None]:
        """Leases whose deadline has passed by the server's clock, whoever held them; and the seconds until the next
        one of the others expires, None when there are no others.
        """
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.zrange(keys.LEASES, 0, EXPIRED_AT_ONCE, withscores=True)
            (seconds, micros), entries = await pipe.execute()
        left = [(member, deadline - seconds - micros / 1e6) for member, deadline in entries]
        found = await self._leases([member for member, seconds_left in left if seconds_left <= 0])
        return found, min((seconds_left for _, seconds_left in left if seconds_left > 0), default=None)

    async def own(self) -> list[Lease]:
        """Everything in the list of this supervisor's name, of this incarnation and of others."""
        return await self._leases(await self.redis.lrange(keys.leased(self.supervisor), 0, -1))

    async def _chunk_names(self, job_id: str, first: int, count: int) -> list[str]:
        """Committed chunks in the order of the rows."""
        entries = await self.redis.zrange(keys.results(job_id), first, first + count - 1)
        return [raw.decode().split(":")[0] for raw in entries]

    async def _leases(self, members: list[bytes]) -> list[Lease]:
        names = [member.decode().split("/") for member in members]
        async with self.redis.pipeline(transaction=False) as pipe:
            for job_id, chunk_id in names:
                pipe.hget(keys.chunks(job_id), chunk_id)
            records = await pipe.execute() if names else []
        leases = []
        for member, (job_id, _), raw in zip(members, names, records, strict=True):
            chunk = chunk_from(raw)
            if chunk is None:  # its job is gone for good, or `repair` ends it
                await self.redis.zrem(keys.LEASES, member)
                await self.redis.lrem(keys.leased(self.supervisor), 0, member)
            else:
                leases.append(Lease(job_id=job_id, chunk=chunk))
        return leases

    async def _run_together(self, *calls: Call) -> list[Any]:
        """What each answers, one after the other, in one round trip. All may be carried out twice."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for name, job_id, *args in calls:
                names = keys.of_job(job_id)
                pipe.evalsha(self._scripts[name].sha, len(names), *names, job_id, *args)
            with contextlib.suppress(NoScriptError):  # the store has forgotten its scripts: `_run` tells it again
                return list(await pipe.execute())
        return [await self._run(*call) for call in calls]

    async def _run(self, name: str, job_id: str, *args: Any) -> Any:
        return await self._scripts[name](keys=keys.of_job(job_id), args=[job_id, *args])


def _json_list(spans: Iterable[Span]) -> str:
    """Written one by one: there may be tens of thousands."""
    return f"[{','.join(map(json_text, spans))}]"
