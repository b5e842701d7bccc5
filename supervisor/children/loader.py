"""Loads a model into a forked process, which becomes a template or turns the model into arrays. In the supervisor.

Does not choose the stack (`stack_choice`), nor find the room (`pool`).
"""

import contextlib
from collections.abc import Callable
from typing import IO

import msgspec
import structlog

from jobs.outcomes import Outcome
from jobs.protocol import Converted, Load, Ready, Unsuited
from jobs.records import Job
from supervisor.children.ensembles import Ensembles
from supervisor.children.fork_protocol import FILE_DESCRIPTOR
from supervisor.children.inputs import Parts, of_the_model, sizes
from supervisor.children.spawner import Child, StackName
from supervisor.children.stack_choice import StackChoice
from supervisor.children.stacks import RunningForkserver
from supervisor.children.templates import Loading, Template, wait_for_exit
from supervisor.children.usage import usage
from supervisor.children.watch import Sample, Watch

log = structlog.get_logger()

MOST_STEPS = 6
"""That are no template yet. Four are honest: arrays that went bad, a lean process that needs some, a full one that
makes them; a process that was taken over could go on for ever.
"""
OnSpawn = Callable[[Child, Sample], None]
"""Told of the process that loads a model: whoever asked for it sees to its end."""


class Wanted:
    """A template that an attempt needs."""

    def __init__(self, key: str, job: Job, parts: Parts, *, trusted: bool, on_spawn: OnSpawn) -> None:
        self.key = key
        self.job = job
        self.parts = of_the_model(parts)
        self.on_spawn = on_spawn
        self.steps = 0
        """Taken so far."""
        self._trusted = trusted

    def request(self, *, arrays: bool, into: bool) -> Load:
        """Whether it is given a file of arrays, or one to write them to."""
        return Load(
            options=self.job.options,
            sizes=sizes(self.parts),
            trusted=self._trusted,
            ensemble=FILE_DESCRIPTOR if arrays else None,
            into=FILE_DESCRIPTOR if into else None,
        )


class Loader:
    """Forks, asks, and remembers what it was told. `eager`: a child waits ahead, whatever it holds."""

    def __init__(self, ensembles: Ensembles, choice: StackChoice, watch: Watch, *, eager: bool) -> None:
        self._ensembles = ensembles
        self._choice = choice
        self._watch = watch
        self._eager = eager

    def stack(self, wanted: Wanted) -> StackName:
        """Where this one is to be loaded next."""
        return self._choice.stack(wanted.key, lambda: self._ensembles.find(wanted.parts))

    async def load(
        self, stack: StackName, forkserver: RunningForkserver, wanted: Wanted, cap_bytes: int
    ) -> Template | None:
        """A template; None when this was only a step towards one. Raises LoadFailed, ForkserverLost."""
        known = self._ensembles.find(wanted.parts)
        arrays = await self._ensembles.open(wanted.parts) if known and stack == "lean" else None
        into = None if arrays or (known and stack == "full") else self._ensembles.place()
        file = arrays or into
        with file or contextlib.nullcontext():  # the one that this template is given: it can open none
            child, control = await forkserver.spawner.fork("template", cap_bytes, file.fileno() if file else None)
            assert control is not None
            wanted.on_spawn(child, self._watch.add(child, forkserver.warm, cap_bytes))
            with Loading(child, control) as loading:
                request = wanted.request(arrays=arrays is not None, into=into is not None)
                answer = await loading.ask(request, wanted.parts)
                if isinstance(answer, Ready):
                    return await self._template(stack, forkserver, loading, answer, cap_bytes)
                wanted.steps += 1
                if wanted.steps > MOST_STEPS:
                    child.kill(Outcome.CRASHED)
                    await loading.failed(None)
                await wait_for_exit(child)
                await self._remember(wanted, answer, given_arrays=arrays is not None, into=into)
                return None

    async def _template(
        self, stack: StackName, forkserver: RunningForkserver, loading: Loading, answer: Ready, cap_bytes: int
    ) -> Template:
        warm = await loading.keep()
        if seen := usage(loading.child.pid or 0):  # it may tell less than it takes
            warm = msgspec.structs.replace(warm, anon_bytes=max(warm.anon_bytes, seen.anon_bytes))
        self._watch.rest(loading.child)
        log.info("template_loaded", stack=stack, pid=loading.child.pid, model=answer.model.name)
        model, base, ahead = answer.model, forkserver.warm, self._spare_from(stack)
        return Template(stack, loading, model, base=base, warm=warm, cap_bytes=cap_bytes, spare_from=ahead)

    def _spare_from(self, stack: StackName) -> int:
        """A lean child that waits takes a megabyte or two, perhaps for nothing: one waits where a second was wanted."""
        if stack == "lean":
            return 2
        return 1 if self._eager else 0

    async def _remember(
        self, wanted: Wanted, answer: Converted | Unsuited, *, given_arrays: bool, into: IO[bytes] | None
    ) -> None:
        if isinstance(answer, Unsuited) and answer.unreadable:
            log.warning("ensemble_unreadable", job_id=wanted.job.job_id, reason=answer.reason)
            self._ensembles.forget(wanted.parts)
        elif isinstance(answer, Unsuited):
            log.info("lean_unsuited", job_id=wanted.job.job_id, reason=answer.reason)
            self._choice.unsuited(wanted.key, given_arrays=given_arrays)
        elif into:
            path = await self._ensembles.keep(wanted.parts, into)
            log.info("model_converted", job_id=wanted.job.job_id, size_bytes=path.stat().st_size)
