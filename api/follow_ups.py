"""What follows a job's end: its values go to `result_url`, and `callback_url` is told. Runs in the web process.

A callback is signed as Standard Webhooks has it (standardwebhooks.com): `webhook-id` (the job's), `webhook-timestamp`
and `webhook-signature`, which is `v1,` and the HMAC-SHA256 of `id.timestamp.body` by CALLBACK_SECRET, in base64. What
does not succeed is tried again, after RETRIES_S; 410 means never again. Does not decide whom it may speak to: see
`destinations`.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Any

import msgspec
import structlog

from api import results
from api.outgoing import FAILURES, Outgoing, told
from api.representation import links, timestamp
from api.result_table import Incomplete, Table
from api.result_writers import NpyWriter
from jobs.connection import RedisError
from jobs.errors import ForbiddenUrl, Problem
from jobs.follow_ups import FollowUps
from jobs.records import Delivery, FollowUp, Job
from jobs.states import JobState
from jobs.store import Store

RETRIES_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
LOOK_S, AWAY_S = 0.5, 5.0
"""Between two looks for what is due; and where the store does not answer."""
AT_ONCE = 4
log = structlog.get_logger()


class Failed(Exception):
    """An attempt did not succeed; `final`: no other will."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Follower:
    """Follows the ends of all callers' jobs."""

    def __init__(self, store: Store, outgoing: Outgoing, secret: str | None) -> None:
        self._store, self._outgoing, self._secret = store, outgoing, secret
        self._due = FollowUps(store.redis)
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Never returns. What is under way when it is cancelled is due again at once."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._places.acquire()
                try:
                    job_id = await self._due.take()
                except (RedisError, OSError):
                    self._places.release()
                    await asyncio.sleep(AWAY_S)
                    continue
                if job_id:
                    group.create_task(self._follow(job_id))
                else:
                    self._places.release()
                    await asyncio.sleep(LOOK_S)

    async def _follow(self, job_id: str) -> None:
        """Whatever happens to one, the others are followed."""
        try:
            job = await self._known(job_id)
            if job:
                await self._attempt(job)
        except (RedisError, OSError) as error:  # of our own store: it is due again later
            log.warning("follow_up_put_off", job_id=job_id, reason=str(error))
        except Exception:
            log.exception("follow_up_broken", job_id=job_id)
        finally:
            self._places.release()

    async def _known(self, job_id: str) -> Job | None:
        """None of a job whose record is gone, or that nobody can read: it is struck out."""
        try:
            return await self._store.job(job_id)
        except Problem as error:
            log.warning("follow_up_lost", job_id=job_id, reason=error.message)
            await self._due.note(job_id, Delivery(state="given_up"), again_in_s=None)
            return None

    async def _attempt(self, job: Job) -> None:
        wanted, before = job.follow_up or FollowUp(), job.delivery or Delivery(state="waiting")
        delivery = msgspec.structs.replace(before, attempts=before.attempts + 1, at=time.time(), error=None)
        failure: Failed | None = None
        try:
            if wanted.result_url and has_values(job) and not delivery.result_put:
                await self._put(job, wanted.result_url)
                delivery = msgspec.structs.replace(delivery, result_put=True)
            if wanted.callback_url:
                await self._call(job, wanted.callback_url)
        except Failed as error:
            failure = error
        except (RedisError, OSError):
            raise
        except Exception as error:  # ours to mend; others are told all the same
            log.exception("follow_up_broken", job_id=job.job_id)
            failure = Failed(type(error).__name__)
        except asyncio.CancelledError:
            with suppress(RedisError, OSError):
                await asyncio.shield(self._due.note(job.job_id, before, again_in_s=0.0))
            raise
        await self._note(job, delivery, failure)

    async def _note(self, job: Job, delivery: Delivery, failure: Failed | None) -> None:
        if failure is None:
            log.info("follow_up_delivered", job_id=job.job_id, attempts=delivery.attempts)
            done = msgspec.structs.replace(delivery, state="delivered")
            await self._due.note(job.job_id, done, again_in_s=None)
            return
        log.warning("follow_up_failed", job_id=job.job_id, attempts=delivery.attempts, reason=str(failure))
        is_last = failure.final or delivery.attempts > len(RETRIES_S)
        found = msgspec.structs.replace(delivery, state="given_up" if is_last else "waiting", error=str(failure))
        await self._due.note(job.job_id, found, again_in_s=None if is_last else RETRIES_S[delivery.attempts - 1])

    async def _call(self, job: Job, url: str) -> None:
        body = msgspec.json.encode(event(job))
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **signed(self._secret or "", job.job_id, int(time.time()), body),
        }
        try:
            async with self._outgoing.request("POST", url, headers, field="callback_url") as exchange:
                await exchange.send(body)
                status = await exchange.status()
        except ForbiddenUrl as problem:
            raise Failed(problem.message) from None
        except FAILURES as error:
            raise Failed(told(error)) from None
        _check(status)

    async def _put(self, job: Job, url: str) -> None:
        """The values as NPY, a batch at a time."""
        table = Table.of_job(job, 0, (job.rows or 1) - 1)
        writer = NpyWriter(table)
        headers = {"Content-Type": "application/x-npy", "Content-Length": str(writer.length())}
        try:
            async with (
                self._outgoing.request("PUT", url, headers, field="result_url") as exchange,
                aclosing(results.stream(self._store, table, writer)) as parts,  # type: ignore[type-var]
            ):
                async for part in parts:
                    await exchange.send(part)
                status = await exchange.status()
        except ForbiddenUrl as problem:
            raise Failed(problem.message) from None
        except Incomplete:
            raise Failed("the values have gone", final=True) from None
        except FAILURES as error:
            raise Failed(told(error)) from None
        _check(status)


def has_values(job: Job) -> bool:
    return job.state is JobState.FINISHED and not (job.options.dry_run or job.options.reduce)


def event(job: Job) -> dict[str, Any]:
    """What a callback says; more is at the links."""
    error = job.error and {"code": job.error.code, "message": job.error.message}
    data = {"job_id": job.job_id, "status": job.state, "rows": job.rows, "error": error, "links": links(job.job_id)}
    return {"type": f"job.{job.state.value}", "timestamp": timestamp(job.ended_at), "data": data}


def signed(secret: str, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks; `secret` is base64, with or without its prefix."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message_id}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{signature}"}


def _check(status: int) -> None:
    """Raises Failed. A redirect is no success: it is not followed."""
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise Failed(f"it answered {status}", final=status == HTTPStatus.GONE)
