"""Templates: processes that hold one job's model and fork its chunks' children. Runs in the supervisor.

A model is loaded once for all chunks of a job, and once for all jobs that bring the same model, background and
options. A template lives under the same cap as its children, for its limit is theirs: model and chunk together must
fit. Idle ones go when they are old, or when there is one for each slot and another is wanted.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import msgspec
import structlog

from jobs.codec import Failed, Load, ModelInfo, Ready
from jobs.outcomes import Outcome
from jobs.records import Job, json_text
from supervisor.conversation import serve_reads
from supervisor.forks import Warm
from supervisor.inputs import Parts, sizes
from supervisor.spawner import Child, ForkserverLost, Spawner

log = structlog.get_logger()

ASK_S = 2.0
"""How long a process that has said its last word may take to exit."""


class Template:
    """A process that has loaded a model."""

    def __init__(self, key: str, child: Child, *, spawner: Spawner, model: ModelInfo, warm: Warm, now: float) -> None:
        self.key = key
        self.child = child
        self.spawner = spawner
        self.model = model
        self.warm = warm
        self.users = 0
        self.idle_since = now
        self._spare: Child | None = None
        self._forking: asyncio.Task[None] | None = None

    async def take(self) -> Child:
        """A child for one chunk: the one that waits ahead, and another is forked to wait. Raises ForkserverLost."""
        if self._forking:
            await self._forking
        child, self._spare = self._spare, None
        if child is None or child.exited.done():
            child, _ = await self.spawner.fork("child", 0)
        self._keep_one_ahead()
        return child

    def close(self) -> None:
        """Let it go, and what it has forked."""
        self.spawner.close()
        for child in (self.child, self._spare):
            if child:
                child.kill(Outcome.CANCELLED)
                child.close()

    def _keep_one_ahead(self) -> None:
        if self._spare is None and (self._forking is None or self._forking.done()):
            self._forking = asyncio.create_task(self._fork_spare())

    async def _fork_spare(self) -> None:
        with contextlib.suppress(ForkserverLost):  # whoever takes a child finds out by itself
            self._spare, _ = await self.spawner.fork("child", 0)


class LoadFailed(Exception):
    """The model could not be loaded; `child` and `message` are the evidence."""

    def __init__(self, child: Child, message: Failed | None) -> None:
        self.child = child
        self.message = message
        super().__init__("the model could not be loaded")


def template_key(job: Job) -> str:
    """What two jobs must have in common to share a template: all but the rows."""
    loaded = {name: part.identity for name, part in sorted(job.inputs.items()) if name != "data"}
    return json_text([loaded, msgspec.structs.replace(job.options, batch_size=None)])


class Templates:
    """The templates of one forkserver."""

    def __init__(self, forkserver: Spawner, *, cap_bytes: int, most: int, clock: Callable[[], float]) -> None:
        self._forkserver = forkserver
        self._cap_bytes = cap_bytes
        self._most = most
        self._clock = clock
        self._loaded: dict[str, Template] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def loaded(self) -> list[Template]:
        return list(self._loaded.values())

    @contextlib.asynccontextmanager
    async def borrow(
        self, job: Job, parts: Parts, *, trusted: bool, watch: Callable[[Child], None]
    ) -> AsyncIterator[Template]:
        """The template for a job, loaded if need be. Raises LoadFailed, ForkserverLost."""
        key = template_key(job)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:  # two slots of one job load its model once
            self.evict(float("inf"))
            template = self._loaded.get(key) or await self._load(key, job, parts, trusted=trusted, watch=watch)
            template.users += 1
        try:
            yield template
        finally:
            template.users -= 1
            template.idle_since = self._clock()

    def evict(self, idle_s: float) -> None:
        """Let templates go that nobody has used for so long, and forget those that died."""
        now = self._clock()
        for template in self.loaded:
            dead = template.spawner.lost.is_set() or template.child.exited.done()
            if dead or (not template.users and now - template.idle_since >= idle_s):
                self._drop(template)
        self._locks = {key: lock for key, lock in self._locks.items() if key in self._loaded or lock.locked()}

    async def _load(
        self, key: str, job: Job, parts: Parts, *, trusted: bool, watch: Callable[[Child], None]
    ) -> Template:
        self._make_room()
        child, control = await self._forkserver.fork("template", self._cap_bytes)
        assert control is not None
        watch(child)
        spawner = Spawner(control)
        try:
            template_parts = {name: part for name, part in parts.items() if name != "data"}
            await child.pipe.send(Load(options=job.options, sizes=sizes(template_parts), trusted=trusted))
            message = await serve_reads(child.pipe, template_parts)
            if not isinstance(message, Ready):
                await wait_for_exit(child)
                raise LoadFailed(child, message if isinstance(message, Failed) else None)
            warm = await spawner.warm
        except ForkserverLost:  # it died between its last word and its first fork
            await wait_for_exit(child)
            raise LoadFailed(child, None) from None
        except BaseException:
            child.kill(Outcome.CANCELLED)
            spawner.close()
            raise
        template = Template(key, child, spawner=spawner, model=message.model, warm=warm, now=self._clock())
        self._loaded[key] = template
        log.info("template_loaded", pid=child.pid, model=message.model.name, rss_bytes=warm.rss_bytes)
        return template

    def _make_room(self) -> None:
        """One template a slot: the oldest idle one goes first."""
        idle = sorted((t for t in self.loaded if not t.users), key=lambda t: t.idle_since)
        for template in idle[: max(0, len(self._loaded) + 1 - self._most)]:
            self._drop(template)

    def _drop(self, template: Template) -> None:
        del self._loaded[template.key]
        template.close()


async def wait_for_exit(child: Child) -> None:
    """Bounded: a process that does not go by itself is killed."""
    try:
        async with asyncio.timeout(ASK_S):
            await asyncio.shield(child.exited)
    except TimeoutError:
        child.kill(Outcome.CRASHED)
        await child.exited
