"""Waiting for jobs to end, in the web process: one subscription for all waiters.

A message may be lost while Redis is away, so every waiter also looks once in POLL_S. Does not end jobs.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import structlog

from api import tasks
from jobs import keys
from jobs.connection import BLOCK_S, RedisClient, RedisError
from jobs.records import Job
from jobs.store import Store

POLL_S = 1.0
RECONNECT_S = 1.0
log = structlog.get_logger()


class Subscription:
    """As a context it listens; `wait` may be called any number of times at once."""

    def __init__(self, subscriber: RedisClient, leaving: Callable[[], bool] = lambda: False) -> None:
        self._subscriber = subscriber
        self.leaving = leaving
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._lost = ""
        """Why it does not stand, as it was last said."""
        self.listening = asyncio.Event()
        """Set while the subscription stands."""

    async def __aenter__(self) -> "Subscription":
        self._listener = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await tasks.end(self._listener)

    async def wait(self, store: Store, job_id: str, seconds: float) -> Job | None:
        """The job when it has ended within so many seconds, else None; no longer than POLL_S once the process is
        leaving. Raises UnknownJob.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        with self._waiting_for(job_id) as ended:
            while True:
                job = await store.job(job_id)  # after registering, so that no end falls in between
                left = deadline - asyncio.get_running_loop().time()
                if job.ended or left <= 0 or self.leaving():
                    return job if job.ended else None
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), min(POLL_S, left))
                ended.clear()

    async def pause(self, job_id: str, seconds: float) -> None:
        """So many seconds, cut short when the job's end is announced."""
        with self._waiting_for(job_id) as ended, suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), seconds)

    async def _run(self) -> None:
        """Listen, and reconnect when Redis was away. Ends by cancellation only."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                self._say(str(error))
            self.listening.clear()
            await asyncio.sleep(RECONNECT_S * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret

    def _say(self, error: str) -> None:
        """Once: a user of the store who may not use the channel may not use it in a second either."""
        if error != self._lost:
            self._lost = error
            log.warning("subscription_lost", error=error, advice=f"Who waits looks every {POLL_S:g} s meanwhile.")

    async def _listen(self) -> None:
        async with self._subscriber.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(keys.ENDED_CHANNEL)
            self.listening.set()
            while True:
                message = await pubsub.get_message(timeout=BLOCK_S)
                self._lost = ""
                if message:
                    self._announce(message["data"].decode())

    def _announce(self, job_id: str) -> None:
        for waiter in self._waiters.get(job_id, ()):
            waiter.set()

    @contextmanager
    def _waiting_for(self, job_id: str) -> Iterator[asyncio.Event]:
        ended = asyncio.Event()
        self._waiters.setdefault(job_id, set()).add(ended)
        try:
            yield ended
        finally:
            self._waiters[job_id].discard(ended)
            if not self._waiters[job_id]:
                del self._waiters[job_id]
