"""A submission that leaves nothing behind: whether a real one would get into the store, and with which refusal not.

Used by the web process, at its start and for its readiness, and by `doctor`. It takes a submission's own way: an upload
of a byte, an idempotency key, `scripts/submit.lua`, which takes everything back before anyone has seen it. Does not
look for supervisors, nor store bytes elsewhere than in Redis.
"""

import contextlib
import secrets
from typing import Any

from jobs import keys
from jobs.connection import OutOfMemoryError, RedisClient, RedisError
from jobs.options import Options
from jobs.records import OPEN, json_text
from jobs.scripts import source

TTL_S = 60
_FINGERPRINT = "rehearsal"
"""What `scripts/submit.lua` knows a rehearsal by; a real one is a hash."""


async def rehearse(redis: RedisClient) -> None:
    """Raises the RedisError that a submission would meet; a full store is none, it lets others in again."""
    act = _Rehearsal()
    try:
        async with redis.pipeline(transaction=True) as pipe:
            act.upload(pipe)
            await pipe.execute()
        await redis.register_script(act.script)(keys=act.keys, args=act.arguments)
    except OutOfMemoryError:
        return
    except RedisError:
        with contextlib.suppress(RedisError):
            async with redis.pipeline(transaction=False) as pipe:
                act.clear(pipe)
                await pipe.execute(raise_on_error=False)
        raise


def rehearse_and_wait(client: Any) -> None:
    """The same over a client of redis-py that waits."""
    act = _Rehearsal()
    try:
        with client.pipeline(transaction=True) as pipe:
            act.upload(pipe)
            pipe.execute()
        client.eval(act.script, len(act.keys), *act.keys, *act.arguments)
    except OutOfMemoryError:
        return
    except RedisError:
        with contextlib.suppress(RedisError), client.pipeline(transaction=False) as pipe:
            act.clear(pipe)
            pipe.execute(raise_on_error=False)
        raise


class _Rehearsal:
    """The keys and arguments of `scripts/submit.lua`, under an id that nobody else has."""

    def __init__(self) -> None:
        self.script = source("submit")
        self._id = secrets.token_hex(12)
        self._blob = keys.blob(self._id)
        self.keys = [*keys.of_job(self._id), keys.idempotency(self._id)]
        record = {"job_id": self._id, "options": json_text(Options()), "inputs": "{}", "blobs": "[]"}
        fields = [item for pair in record.items() for item in pair]
        self.arguments = [self._id, _FINGERPRINT, TTL_S, json_text(OPEN), "", 0, 0, 1, 1, self._blob, *fields]

    def upload(self, pipe: Any) -> None:
        pipe.hset(self._blob, "0", "x")
        pipe.expire(self._blob, TTL_S)

    def clear(self, pipe: Any) -> None:
        """What a script that was refused midway has left: scripts are not rolled back."""
        pipe.lrem(keys.READY, -1, self._id)
        pipe.zrem(keys.JOBS, self._id)
        for key in (keys.job(self._id), keys.chunks(self._id), keys.pending(self._id), self.keys[-1], self._blob):
            pipe.unlink(key)
