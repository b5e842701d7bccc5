"""The state of one attempt while it lasts. Runs in the supervisor; what it leaves behind is an `Attempt`, a record.

Does not do anything by itself: `executor` takes it from step to step, and whoever stops it has its process killed.
"""

import time

from jobs.outcomes import Outcome
from jobs.protocol import Done, Failed, Plan, Ready
from jobs.queue import Lease
from jobs.records import Job, Layout, ModelInfo, row_bytes
from supervisor.children.limits import oom_kills
from supervisor.children.pool import ProcessPool
from supervisor.children.spawner import Child
from supervisor.children.watch import Sample


class Run:
    """A leased chunk that is worked on."""

    def __init__(self, lease: Lease, job: Job, pool: ProcessPool) -> None:
        self.lease = lease
        self.job = job
        self.pool = pool
        self.child: Child | None = None
        self.sample = Sample()
        """What the watch sees of it."""
        self.loading = False
        self.template_key = ""
        self.changing_chunk = False
        """Its lease is passing from `open` to the job's only chunk: a renewal may name the wrong one."""
        self.stopped_as: Outcome | None = None
        self.inherited_bytes = 0
        """What the child already had beyond its forkserver's baseline: its model."""
        self.model: ModelInfo | None = job.model
        self.layout: Layout | None = job.layout
        self.plan: Plan | None = None
        """A plan of several chunks, to be committed when the attempt has succeeded."""
        self.pieces = 0
        self.value_bytes = 0
        self._started = time.monotonic()
        self._oom_kills = oom_kills()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def kernel_killed(self) -> bool:
        """The kernel has killed for memory since it began; whom, the child's signal must say."""
        return oom_kills() > self._oom_kills

    def spawned(self, child: Child, sample: Sample) -> None:
        """From now on this is the process to kill if the run is stopped."""
        self.child, self.sample = child, sample
        if self.stopped_as:
            child.kill(self.stopped_as)

    def stop(self, reason: Outcome) -> None:
        """End the attempt: its process is killed, now or as soon as there is one."""
        self.stopped_as = self.stopped_as or reason
        if self.child:
            self.child.kill(self.stopped_as)

    def end(self) -> None:
        """Nothing of this attempt is left running, not even when it broke off."""
        if self.child:
            self.child.kill(Outcome.CRASHED)
            self.child.close()

    def is_complete(self, message: Done | Failed | Ready | None) -> bool:
        """Whether a child that says it is done has sent what belongs to its chunk."""
        chunk = self.lease.chunk
        if not isinstance(message, Done):
            return False
        if chunk.kind == "close" or (chunk.kind == "open" and self.job.options.dry_run):
            return message.summary is not None
        if chunk.kind == "open":
            return bool(self.plan and self.plan.spans)
        assert self.model
        assert self.layout
        expected = chunk.span.rows * row_bytes(self.layout, self.model, self.job.options)
        return message.partial is not None and self.value_bytes == expected
