"""The process pool: everything that is forked, and the memory it shares. Runs in the supervisor.

Two forkservers: the lean one (numpy and the tree kernel) is always up; the full one (shap, scikit-learn, ...) takes
several times as much, so it is there only while jobs need it, and counted while it is. A template lives under the same
cap as its children, for its limit is theirs: model and chunk together must fit. Idle ones go when they are old, or
when their memory is wanted.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog

from jobs.errors import NoRoomForLibraries
from jobs.protocol import Converted, Load, Ready, Unsuited
from jobs.records import Job
from supervisor.children.budget import Budget, Reservation
from supervisor.children.ensembles import Ensembles
from supervisor.children.inputs import Parts, sizes
from supervisor.children.memory import SMALLEST_CAP_BYTES, Plan, mb
from supervisor.children.spawner import Child, StackName
from supervisor.children.stacks import Stack
from supervisor.children.templates import Loading, Template, template_key, wait_for_exit
from supervisor.children.watch import Sample, Watch

log = structlog.get_logger()

MOST_REMEMBERED = 1_000
SPARED_S = 5.0
"""An idle full forkserver is kept for so long from those that fit beside it, if one after another."""
OnSpawn = Callable[[Child, Sample], None]
"""Told of the process that loads a model: whoever asked for it sees to its end."""


class ProcessPool:
    """Forkservers, templates, budget and watch of one supervisor."""

    def __init__(self, work_module: str, plan: Plan, lean: Stack, ensembles: Ensembles, *, eager: bool) -> None:
        self.plan = plan
        self.lean = lean
        self.full = Stack(work_module, "full")
        self.budget = Budget(plan.budget_bytes)
        self.watch = Watch(plan.limit, self.budget, [lean, self.full])
        self._ensembles = ensembles
        self._eager = eager
        """A child waits ahead where forking takes long: faster, for a little more memory."""
        self._templates: dict[str, Template] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._unsuited: dict[str, bool] = {}
        """Templates that the lean stack cannot be; True when it was given arrays."""
        self._narrow: set[str] = set()
        """Templates under a cap that is not a whole one, and could be."""
        self._wide: set[str] = set()
        """Templates that did not fit a narrow cap."""
        self._retired: list[Template] = []
        """Replaced, and gone as soon as nobody uses them."""
        self._loading_full = 0
        """Admitted, not waiting: those that wait must not keep up what others wait for."""
        self._full_used = time.monotonic()

    @property
    def templates(self) -> list[Template]:
        return list(self._templates.values())

    # --- what an attempt asks for --------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def borrow(self, job: Job, parts: Parts, *, trusted: bool, on_spawn: OnSpawn) -> AsyncIterator[Template]:
        """The template for a job, loaded if need be, and room for a child of it.

        Waits until there is room. Raises LoadFailed, ForkserverLost, NoRoomForLibraries.
        """
        key = template_key(job, parts)
        wanted = Wanted(key, job, parts, trusted=trusted, on_spawn=on_spawn)
        async with self._locks.setdefault(key, asyncio.Lock()):  # two slots of one job load its model once
            template, room = await self._find_or_load(wanted)
            template.users += 1
        try:
            yield template
        finally:
            room.shrink(0)
            template.users -= 1
            template.idle_since = time.monotonic()

    @contextlib.asynccontextmanager
    async def lean_child(self, on_spawn: OnSpawn) -> AsyncIterator[Child]:
        """A child without a model, and room for it. Raises ForkserverLost."""
        room = await self._admit("lean", None)
        try:
            forkserver = await self.lean.up()
            child, _ = await forkserver.spawner.fork("child", room.size)
            on_spawn(child, self.watch.add(child, forkserver.warm, room.size))
            yield child
        finally:
            room.shrink(0)

    # --- what goes -----------------------------------------------------------------------------------------------

    async def evict(self, idle_s: float) -> None:
        """Let go what nobody has used for so long, and forget what died."""
        now = time.monotonic()
        for key, template in list(self._templates.items()):
            if template.dead or (not template.users and now - template.idle_since >= idle_s):
                self._drop(key)
        for template in [template for template in self._retired if not template.users]:
            self._retired.remove(template)
            template.close()
        self._locks = {key: lock for key, lock in self._locks.items() if key in self._templates or lock.locked()}
        self._narrow &= self._templates.keys() | self._locks.keys()
        if not self._full_is_idle:
            self._full_used = now
        elif now - self._full_used >= idle_s:
            await self._let_full_go()

    async def close(self) -> None:
        """Nothing that was forked is left behind."""
        for key in list(self._templates):
            self._drop(key)
        for template in self._retired:
            template.close()
        await self.full.down()
        await self.lean.down()

    # --- admission -----------------------------------------------------------------------------------------------

    def watched(self, template: Template, child: Child) -> Sample:
        """From now on a template's child is watched."""
        return self.watch.add(child, template.base, template.cap_bytes, inherited_bytes=template.growth_bytes)

    def widen(self, key: str) -> bool:
        """Its child ran out of memory. If that was under a narrow cap, the next one gets a whole one."""
        template = self._templates.get(key)
        if key not in self._narrow:
            return False
        self._narrow.discard(key)
        if len(self._wide) >= MOST_REMEMBERED:
            self._wide.clear()
        self._wide.add(key)
        if template:
            self._retired.append(self._templates.pop(key))
        return True

    def _cap_bytes(self, stack: StackName, key: str | None) -> int:
        """What a new child of this stack may add to its forkserver. Raises NoRoomForLibraries.

        Beside a full forkserver caps are narrow where its room is missing, rather than that it goes and comes again.
        """
        held = self.full.reservation.size if self.full.reservation else 0
        left = self.plan.budget_bytes - max(self.full.expected_bytes, held)
        enough = left >= min(self.plan.cap_bytes, SMALLEST_CAP_BYTES)
        if stack == "lean":
            narrow = self.full.reservation is not None and enough and key not in self._wide
            return min(self.plan.cap_bytes, left) if narrow else self.plan.cap_bytes
        if not enough:
            arithmetic = f"{self.plan.arithmetic}; scikit-learn and shap take {mb(self.full.expected_bytes)} of it"
            raise NoRoomForLibraries(left=mb(max(0, left)), arithmetic=arithmetic)
        return min(self.plan.cap_bytes, left)

    async def _admit(self, stack: StackName, key: str | None) -> Reservation:
        """Room for a child, and for what it needs that is not there yet; then the forkserver is up, too."""
        room = await self.budget.take(lambda: self._need(stack, key), lambda: self._make_room(stack, key))
        if stack == "full" and self.full.reservation is None:
            self.full.reservation = room.split(self.full.expected_bytes)
        return room

    def _need(self, stack: StackName, key: str | None) -> int:
        template = self._living(key)
        need = template.cap_bytes - template.growth_bytes if template else self._cap_bytes(stack, key)
        return need + (self.full.expected_bytes if stack == "full" and self.full.reservation is None else 0)

    async def _make_room(self, stack: StackName, key: str | None) -> bool:
        idle = [(t.idle_since, name) for name, t in self._templates.items() if not t.users and name != key]
        if idle:
            self._drop(min(idle)[1])
            return True
        if stack == "lean" and self._full_is_idle:
            held = self.full.reservation.size if self.full.reservation else 0
            fits_beside = held + self._cap_bytes(stack, key) <= self.budget.total
            if fits_beside and time.monotonic() - self._full_used < SPARED_S:
                return False  # what runs will end sooner than the libraries could be back
            await self._let_full_go()
            return True
        return False

    @property
    def _full_is_idle(self) -> bool:
        used = self._loading_full or any(t.users for t in self._templates.values() if t.stack == "full")
        return self.full.reservation is not None and not used

    async def _let_full_go(self) -> None:
        for key, template in list(self._templates.items()):
            if template.stack == "full":
                self._drop(key)
        log.info("forkserver_let_go", stack="full")
        await self.full.down()

    # --- loading -------------------------------------------------------------------------------------------------

    async def _find_or_load(self, wanted: "Wanted") -> tuple[Template, Reservation]:
        """Lean where that is possible, full otherwise; a model that a full one has converted is lean again."""
        while True:
            stack = self._stack(wanted)
            room = await self._admit(stack, wanted.key)
            self._loading_full += stack == "full"
            try:
                template = self._living(wanted.key) or await self._load(stack, wanted, room)
                if template:
                    return template, room
            except BaseException:
                room.shrink(0)
                raise
            finally:
                self._loading_full -= stack == "full"
            room.shrink(0)

    def _stack(self, wanted: "Wanted") -> StackName:
        given_arrays = self._unsuited.get(wanted.key)
        if given_arrays is None:
            return "lean"
        return "full" if given_arrays or self._ensembles.find(wanted.parts) is None else "lean"

    async def _load(self, stack: StackName, wanted: "Wanted", room: Reservation) -> Template | None:
        """A template; None when this was only a step towards one."""
        forkserver = await (self.lean if stack == "lean" else self.full).up()
        cap_bytes = min(room.size, self._cap_bytes(stack, wanted.key))
        arrays = self._ensembles.find(wanted.parts)
        into = None if arrays else self._ensembles.place()
        try:
            child, control = await forkserver.spawner.fork("template", cap_bytes)
            assert control is not None
            wanted.on_spawn(child, self.watch.add(child, forkserver.warm, cap_bytes))
            (self._narrow.add if stack == "lean" and cap_bytes < self.plan.cap_bytes else self._narrow.discard)(
                wanted.key
            )
            with Loading(child, control) as loading:
                request = wanted.request(arrays if stack == "lean" else None, into)
                answer = await loading.ask(request, wanted.parts)
                if isinstance(answer, Ready):
                    warm, spare = await loading.keep(), self._eager and stack == "full"
                    template = Template(
                        stack, loading, answer.model, base=forkserver.warm, warm=warm, cap_bytes=cap_bytes, spare=spare
                    )
                    return self._hold(wanted.key, template, room)
                await wait_for_exit(child)
                self._remember(wanted, answer, given=arrays, into=into)
                return None
        finally:
            if into:
                into.unlink(missing_ok=True)

    def _hold(self, key: str, template: Template, room: Reservation) -> Template:
        template.reservation = room.split(template.growth_bytes)
        self._templates[key] = template
        self.watch.rest(template.child)
        log.info("template_loaded", stack=template.stack, pid=template.child.pid, model=template.model.name)
        return template

    def _remember(
        self, wanted: "Wanted", answer: Converted | Unsuited, *, given: Path | None, into: Path | None
    ) -> None:
        if isinstance(answer, Unsuited) and answer.unreadable:
            log.warning("ensemble_unreadable", job_id=wanted.job.job_id, reason=answer.reason)
            self._ensembles.forget(wanted.parts)
        elif isinstance(answer, Unsuited):
            log.info("lean_unsuited", job_id=wanted.job.job_id, reason=answer.reason)
            self._unsuited[wanted.key] = given is not None
            while len(self._unsuited) > MOST_REMEMBERED:
                del self._unsuited[next(iter(self._unsuited))]
        elif into:
            path = self._ensembles.keep(wanted.parts, into)
            log.info("model_converted", job_id=wanted.job.job_id, size_bytes=path.stat().st_size)

    def _living(self, key: str | None) -> Template | None:
        template = self._templates.get(key or "")
        if template and key and template.dead:
            self._drop(key)
            return None
        return template

    def _drop(self, key: str) -> None:
        self._templates.pop(key).close()


class Wanted:
    """A template that an attempt needs."""

    def __init__(self, key: str, job: Job, parts: Parts, *, trusted: bool, on_spawn: OnSpawn) -> None:
        self.key = key
        self.job = job
        self.parts = {name: part for name, part in parts.items() if name != "data"}
        self.on_spawn = on_spawn
        self._trusted = trusted

    def request(self, arrays: Path | None, into: Path | None) -> Load:
        return Load(
            options=self.job.options,
            sizes=sizes(self.parts),
            trusted=self._trusted,
            ensemble=str(arrays) if arrays else None,
            into=str(into) if into else None,
        )
