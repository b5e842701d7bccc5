"""Which leases this process holds, and who else uses its name. Runs in the supervisor.

A lease whose reply is lost is in our list and nobody works on it: `returnable` finds it. Does not give anything back:
see `rescue`. Does not renew: see `daemon`.
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Any

import psutil

from jobs.queue import Lease, Queue

TWIN_S = 4.0
"""A supervisor that has not been heard of for so many seconds (heartbeats come every second) is taken for gone."""


class Holding:
    """The tokens of this process's leases. One lease is drawn at a time, so that none is looked for on its way."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._drawing = asyncio.Lock()
        self.tokens: set[int] = set()
        self._broken_off: set[int] = set()

    async def draw(self, job_id: str) -> Lease | None:
        """Take the job's next pending chunk; from now on it is held, until `release`."""
        async with self._drawing:
            lease = await self._queue.lease(job_id)
            if lease:
                self.tokens.add(lease.token)
            return lease

    def release(self, lease: Lease, *, begun: bool) -> None:
        """Its attempt is over, committed or not, or was never begun."""
        self.tokens.discard(lease.token)
        if begun:
            self._broken_off.add(lease.token)

    async def returnable(self) -> tuple[list[Lease], list[Lease]]:
        """Leases of this life that nobody works on: those that never reached us, and those that were not settled."""
        async with self._drawing:
            ours = [lease for lease in await self._queue.own() if lease.chunk.life == self._queue.life]
            lost = [lease for lease in ours if lease.token not in self.tokens]
            self._broken_off &= {lease.token for lease in lost}
        broken_off = [lease for lease in lost if lease.token in self._broken_off]
        return [lease for lease in lost if lease.token not in self._broken_off], broken_off


class Predecessor:
    """Whether the list of our name may be adopted: not while another process under that name is alive.

    Fed with the snapshot that stood under our name: before we began, then at each heartbeat. Time is handed in, in
    seconds of any clock.
    """

    def __init__(self, life: str) -> None:
        self._life = life
        self._asked = False
        self._last: tuple[Any, Any] | None = None
        self._heard_at: float | None = None
        self.twin: str | None = None
        """Host and process id of another supervisor that is alive under our name."""

    def heard(self, before: Mapping[str, Any] | None, now: float) -> None:
        """`before`: the snapshot that stood there, or that our heartbeat replaced. The same one again is no news: what
        a dead predecessor left stands there until our first heartbeat.
        """
        first, self._asked = not self._asked, True
        if before is None or before.get("life") == self._life:
            return
        known, self._last = self._last, (before.get("life"), before.get("sent_at"))
        if known == self._last or (first and _is_dead(before)):
            return
        self._heard_at = now
        self.twin = None if first else f"{before.get('host')}:{before.get('pid')}"

    def gone_in(self, now: float) -> float:
        """Seconds until it counts as gone: TWIN_S after its last heartbeat, 0 when it died on this machine."""
        return 0.0 if self._heard_at is None else max(0.0, self._heard_at + TWIN_S - now)


def _is_dead(snapshot: Mapping[str, Any]) -> bool:
    """On this machine, and no such process any more: a restart after a crash. Elsewhere we cannot know."""
    pid = snapshot.get("pid")
    if snapshot.get("host") != socket.gethostname() or not isinstance(pid, int):
        return False
    try:
        return pid == os.getpid() or psutil.Process(pid).create_time() > snapshot["sent_at"]
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, KeyError, TypeError):
        return False
