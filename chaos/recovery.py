"""How long the chunks of a dead supervisor wait until somebody has leased them again. Runs in the campaign.

A lease is drawn with a new fencing token, so a chunk has been leased again when its record shows another token. Looks
at Valkey directly, every LOOK_S. Does not cover supervisors that were only stopped.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from redis.exceptions import RedisError

from jobs import keys
from jobs.records import Chunk
from jobs.states import ChunkState

LOOK_S = 0.02


class Death(msgspec.Struct, kw_only=True):
    """One supervisor died, at this moment of the monotonic clock."""

    at: float
    same_name: bool


class Waiting(msgspec.Struct, kw_only=True):
    """A chunk that it was working on."""

    death: Death
    job_id: str
    chunk_id: str
    token: int
    back_s: float | None = None
    """Seconds after the death when it was seen back in the queue."""


class Hindrance(msgspec.Struct, kw_only=True):
    """Something is broken that a recovery needs, until this moment of the monotonic clock."""

    ended: float = math.inf


class Recovery(msgspec.Struct, kw_only=True):
    """It has been leased again. Seconds after the death; in the queue it may have waited for a slot."""

    same_name: bool
    back_s: float
    seconds: float
    chunk: str
    hindered: bool
    """Meanwhile something else was broken that a recovery needs: the store, or the way to it."""


class Recoveries:
    """`note` what a dead supervisor held; `watch` runs as long as the campaign."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self.waiting: list[Waiting] = []
        self.found: list[Recovery] = []
        self.ended = 0
        """Chunks whose job ended meanwhile, or that were committed just before the death."""
        self.unknown = 0
        """Deaths while the store was away: nobody can say what was held."""
        self._hindrances: list[Hindrance] = []

    @contextlib.contextmanager
    def hindrance(self) -> Iterator[None]:
        """For as long as something is broken that a recovery needs."""
        self._hindrances.append(found := Hindrance())
        try:
            yield
        finally:
            found.ended = time.monotonic()

    def death(self, *, same_name: bool) -> Death:
        return Death(at=time.monotonic(), same_name=same_name)

    async def note(self, death: Death, supervisor: str) -> None:
        """Before it is started again, so that nothing of it has been taken up yet."""
        try:
            members = [raw.decode() for raw in await self._redis.lrange(keys.leased(supervisor), 0, -1)]
            for job_id, chunk_id in (member.split("/") for member in members):
                chunk = await self._chunk(job_id, chunk_id)
                if chunk and chunk.state is ChunkState.LEASED:
                    self.waiting.append(Waiting(death=death, job_id=job_id, chunk_id=chunk_id, token=chunk.token))
        except (RedisError, OSError):
            self.unknown += 1

    async def watch(self) -> None:
        while True:
            for waiting in list(self.waiting):
                try:
                    self._look(waiting, await self._chunk(waiting.job_id, waiting.chunk_id))
                except (RedisError, OSError):
                    break
            await asyncio.sleep(LOOK_S)

    def _look(self, waiting: Waiting, chunk: Chunk | None) -> None:
        seconds = time.monotonic() - waiting.death.at
        if chunk and chunk.token == waiting.token and chunk.state in (ChunkState.LEASED, ChunkState.PENDING):
            if chunk.state is ChunkState.PENDING and waiting.back_s is None:
                waiting.back_s = seconds
            return
        self.waiting.remove(waiting)
        if chunk is None or chunk.token == waiting.token:
            self.ended += 1
            return
        self.found.append(
            Recovery(
                same_name=waiting.death.same_name,
                back_s=seconds if waiting.back_s is None else waiting.back_s,
                seconds=seconds,
                chunk=f"{waiting.job_id}/{waiting.chunk_id}",
                hindered=any(found.ended > waiting.death.at for found in self._hindrances),
            )
        )

    async def _chunk(self, job_id: str, chunk_id: str) -> Chunk | None:
        raw = await self._redis.hget(keys.chunks(job_id), chunk_id)
        return msgspec.json.decode(raw, type=Chunk) if raw else None
