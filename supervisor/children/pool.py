"""The process pool: everything that is forked, and the memory it shares. Runs in the supervisor.

Two forkservers: the lean one (numpy and the tree kernel) is always up; the full one (shap, scikit-learn, ...) takes
several times as much, so it is there only while jobs need it, and counted while it is. A template lives under the same
cap as its children, for its limit is theirs: model and chunk together must fit. Idle ones go when they are old, or
when their memory is wanted. Does not decide by itself how large a cap is (`caps`), nor in which stack a model is
loaded (`stack_choice`).
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import structlog

from jobs.records import Job
from supervisor.children.budget import Budget, Reservation
from supervisor.children.caps import Libraries, NarrowCaps, are_spared, cap_bytes, need_bytes
from supervisor.children.ensembles import Ensembles
from supervisor.children.inputs import Parts
from supervisor.children.loader import Loader, OnSpawn, Wanted
from supervisor.children.memory import Plan
from supervisor.children.spawner import Child, StackName
from supervisor.children.stack_choice import StackChoice
from supervisor.children.stacks import Stack
from supervisor.children.templates import Template, template_key
from supervisor.children.watch import Sample, Watch

log = structlog.get_logger()


class ProcessPool:
    """Forkservers, templates, budget and watch of one supervisor."""

    def __init__(self, work_module: str, plan: Plan, lean: Stack, ensembles: Ensembles, *, eager: bool) -> None:
        self.plan = plan
        self.lean = lean
        self.full = Stack(work_module, "full", lean.policy)
        self.budget = Budget(plan.budget_bytes)
        self.watch = Watch(plan.limit, self.budget, [lean, self.full])
        self._loader = Loader(ensembles, StackChoice(), self.watch, eager=eager)
        self._narrow_caps = NarrowCaps()
        self._templates: dict[str, Template] = {}
        self._locks: dict[str, asyncio.Lock] = {}
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

    def watched(self, template: Template, child: Child) -> Sample:
        """From now on a template's child is watched."""
        return self.watch.add(child, template.base, template.cap_bytes, inherited_bytes=template.growth_bytes)

    def widen(self, key: str) -> bool:
        """Its child ran out of memory. If that was under a narrow cap, the next one gets a whole one."""
        if not self._narrow_caps.widen(key):
            return False
        if template := self._templates.pop(key, None):
            self._retired.append(template)
        return True

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
        self._narrow_caps.forget_all_but(self._templates.keys() | self._locks.keys())
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

    async def _admit(self, stack: StackName, key: str | None) -> Reservation:
        """Room for a child, and for what it needs that is not there yet; then the forkserver is up, too."""
        room = await self.budget.take(lambda: self._need(stack, key), lambda: self._make_room(stack, key))
        if stack == "full" and self.full.reservation is None:
            self.full.reservation = room.split(self.full.expected_bytes)
        return room

    def _need(self, stack: StackName, key: str | None) -> int:
        template = self._living(key)
        child = template.cap_bytes - template.growth_bytes if template else self._cap_bytes(stack, key)
        return need_bytes(self._libraries, stack, child)

    def _cap_bytes(self, stack: StackName, key: str | None) -> int:
        return cap_bytes(self.plan, self._libraries, stack, whole=self._narrow_caps.outgrown(key))

    @property
    def _libraries(self) -> Libraries:
        reservation = self.full.reservation
        return Libraries(self.full.expected_bytes, reservation.size if reservation else None)

    async def _make_room(self, stack: StackName, key: str | None) -> bool:
        idle = [(t.idle_since, name) for name, t in self._templates.items() if not t.users and name != key]
        if idle:
            self._drop(min(idle)[1])
            return True
        if stack == "full" or not self._full_is_idle:
            return False
        idle_s = time.monotonic() - self._full_used
        if are_spared(self.plan, self._libraries, self._cap_bytes(stack, key), idle_s):
            return False
        await self._let_full_go()
        return True

    @property
    def _full_is_idle(self) -> bool:
        used = self._loading_full or any(t.users for t in self._templates.values() if t.stack == "full")
        return self.full.reservation is not None and not used

    async def _let_full_go(self) -> None:
        for key, template in list(self._templates.items()):
            if template.stack == "full":
                self._drop(key)
        await self.full.down()
        log.info("forkserver_let_go", stack="full")  # only now its memory is free

    # --- templates -----------------------------------------------------------------------------------------------

    async def _find_or_load(self, wanted: Wanted) -> tuple[Template, Reservation]:
        """Lean where that is possible, full otherwise; a model that a full one has converted is lean again."""
        while True:
            living = self._living(wanted.key)
            stack = living.stack if living else self._loader.stack(wanted)
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

    async def _load(self, stack: StackName, wanted: Wanted, room: Reservation) -> Template | None:
        """A template, held from now on; None when this was only a step towards one."""
        forkserver = await (self.lean if stack == "lean" else self.full).up()
        cap = min(room.size, self._cap_bytes(stack, wanted.key))
        self._narrow_caps.note(wanted.key, narrow=stack == "lean" and cap < self.plan.cap_bytes)
        template = await self._loader.load(stack, forkserver, wanted, cap)
        if template:
            template.reservation = room.split(template.growth_bytes)
            self._templates[wanted.key] = template
        return template

    def _living(self, key: str | None) -> Template | None:
        template = self._templates.get(key or "")
        if template and key and template.dead:
            self._drop(key)
            return None
        return template

    def _drop(self, key: str) -> None:
        self._templates.pop(key).close()
