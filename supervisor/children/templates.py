"""Templates: processes that hold one job's model and fork its chunks' children. Runs in the supervisor.

A model is loaded once for all chunks of a job, and once for all jobs that bring the same model, background and
options. Does not choose where it is loaded, nor when it goes: see `pool`.
"""

import asyncio
import contextlib
import socket

import msgspec

from jobs.outcomes import Outcome
from jobs.protocol import BadFrame, Converted, Failed, FromChild, Load, Read, Ready, Unsuited
from jobs.records import Job, ModelInfo, json_text
from supervisor.children.budget import Reservation
from supervisor.children.conversation import serve_reads
from supervisor.children.fork_protocol import Warm
from supervisor.children.inputs import Parts, of_the_model
from supervisor.children.spawner import Child, ForkserverLost, Spawner, StackName

ASK_S = 2.0
"""How long a process that has said its last word may take to exit."""


class LoadFailed(Exception):
    """The model could not be loaded; `child` and `message` are the evidence."""

    def __init__(self, child: Child, message: Failed | None) -> None:
        self.child = child
        self.message = message
        super().__init__("the model could not be loaded")


class Loading:
    """A process that is becoming a template. Leaves nothing behind unless it was kept."""

    def __init__(self, child: Child, control: socket.socket) -> None:
        self.child = child
        self.spawner = Spawner(control, child)
        self._kept = False

    def __enter__(self) -> "Loading":
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            self.child.kill(Outcome.CANCELLED)
            self.spawner.close()

    async def ask(self, request: Load, parts: Parts) -> Ready | Converted | Unsuited:
        """What becomes of the model. Raises LoadFailed."""
        await self.child.pipe.send(request)
        message: FromChild | None = None
        try:
            message = await serve_reads(self.child.pipe, parts)
        except BadFrame:
            self.child.kill(Outcome.CRASHED)
        if isinstance(message, Ready | Converted | Unsuited):
            return message
        await self.failed(message)
        raise AssertionError

    async def keep(self) -> Warm:
        """It is ready to be forked from. Raises LoadFailed when it died between its last word and its first fork."""
        try:
            warm = await self.spawner.warm
        except ForkserverLost:
            await self.failed(None)
            raise AssertionError from None
        self._kept = True
        return warm

    async def failed(self, message: FromChild | None) -> None:
        """See it out, so that its end is evidence too. Raises LoadFailed."""
        assert not isinstance(message, Read)
        await wait_for_exit(self.child)
        raise LoadFailed(self.child, message if isinstance(message, Failed) else None)


class Template:
    """A process that has loaded a model. `spare_from`: the child with which one more begins to wait ahead; 0: none."""

    def __init__(
        self,
        stack: StackName,
        loaded: Loading,
        model: ModelInfo,
        *,
        base: Warm,
        warm: Warm,
        cap_bytes: int,
        spare_from: int,
    ) -> None:
        self.stack = stack
        self.cap_bytes = cap_bytes
        self.child = loaded.child
        self.model = model
        self.growth_bytes = min(max(0, warm.anon_bytes - base.anon_bytes), cap_bytes)
        """What the model takes: every child starts with it."""
        self.base = base
        self.users = 0
        self.idle_since = 0.0
        self.reservation: Reservation | None = None
        self._spawner = loaded.spawner
        self._spare_from = spare_from
        self._taken = 0
        self._spare: Child | None = None
        self._forking: asyncio.Task[None] | None = None

    @property
    def dead(self) -> bool:
        return self._spawner.lost.is_set() or self.child.exited.done()

    async def take(self) -> Child:
        """A child for one chunk: the one that waits ahead, and another is forked to wait. Raises ForkserverLost."""
        self._taken += 1
        if self._forking:
            await self._forking
        child, self._spare = self._spare, None
        if child is None or child.exited.done():
            child, _ = await self._spawner.fork("child", 0)
        self._keep_one_ahead()
        return child

    def close(self) -> None:
        """Let it go, and what it has forked, and its share of the budget."""
        self._spawner.close()
        for child in (self.child, self._spare):
            if child:
                child.kill(Outcome.CANCELLED)
                child.close()
        if self.reservation:
            self.reservation.shrink(0)

    def _keep_one_ahead(self) -> None:
        wanted = 0 < self._spare_from <= self._taken
        if wanted and self._spare is None and (self._forking is None or self._forking.done()):
            self._forking = asyncio.create_task(self._fork_spare())

    async def _fork_spare(self) -> None:
        with contextlib.suppress(ForkserverLost):  # whoever takes a child finds out by itself
            self._spare, _ = await self._spawner.fork("child", 0)


def template_key(job: Job, parts: Parts) -> str:
    """What two jobs must have in common to share a template: all but the rows."""
    loaded = {name: part.identity for name, part in sorted(of_the_model(parts).items())}
    return json_text([loaded, msgspec.structs.replace(job.options, batch_size=None, dry_run=False)])


async def wait_for_exit(child: Child) -> None:
    """Bounded: a process that does not go by itself is killed."""
    try:
        async with asyncio.timeout(ASK_S):
            await asyncio.shield(child.exited)
    except TimeoutError:
        child.kill(Outcome.CRASHED)
        await child.exited
