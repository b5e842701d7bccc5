"""Which leases this process holds. Runs in the supervisor.

A lease whose reply is lost is in our list and nobody works on it: `returnable` finds it. Does not give anything back:
see `rescue`. Does not renew: see `daemon`.
"""

import asyncio

from jobs.queue import Lease, Queue


class HeldLeases:
    """The tokens of this process's leases. One lease is drawn at a time, so that none is looked for on its way."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._drawing = asyncio.Lock()
        self.tokens: set[int] = set()
        self._broken_off: set[int] = set()

    async def draw(self, job_id: str = "", *, caller: str = "") -> Lease | None:
        """Take the next pending chunk of a job or of a caller; from now on it is held, until `release`."""
        async with self._drawing:
            lease = await self._queue.lease(job_id, caller=caller)
            if lease:
                self.tokens.add(lease.token)
            return lease

    def release(self, lease: Lease, *, begun: bool) -> None:
        """Its attempt is over, committed or not, or was never begun."""
        self.tokens.discard(lease.token)
        if begun:
            self._broken_off.add(lease.token)

    async def returnable(self) -> tuple[list[Lease], list[Lease]]:
        """Those of this incarnation that nobody works on: they never reached us, or their attempts were not settled."""
        async with self._drawing:
            ours = [lease for lease in await self._queue.own() if lease.chunk.incarnation == self._queue.incarnation]
            lost = [lease for lease in ours if lease.token not in self.tokens]
            self._broken_off &= {lease.token for lease in lost}
        broken_off = [lease for lease in lost if lease.token in self._broken_off]
        return [lease for lease in lost if lease.token not in self._broken_off], broken_off
