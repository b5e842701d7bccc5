"""The state of one attempt while it lasts, and what its child can rightly say. Runs in the supervisor.

What it leaves behind is an `Attempt`, a record. Does not do anything by itself: `executor` takes it from step to step,
and whoever stops it has its process killed.
"""

import sys
import time
from array import array

from jobs import kept
from jobs.outcomes import Outcome
from jobs.protocol import Done, Failed, Ids, Plan, Ready, Values, Whole
from jobs.queue import Lease
from jobs.records import MOST_COHORTS, Chunk, Job, Layout, ModelInfo, Partial
from jobs.sample import SampledRows, drawn, most_rows
from supervisor.children.limits import oom_kills
from supervisor.children.pool import ProcessPool
from supervisor.children.spawner import Child
from supervisor.children.watch import Sample

MOST_ROWS_A_BYTE = 1_000
"""No format packs them more densely."""


class Run:
    """A leased chunk that is worked on."""

    def __init__(self, lease: Lease, job: Job, pool: ProcessPool, *, wanted_rows: int) -> None:
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
        self.whole: Whole | None = None
        """All of a small job: nothing of it is written before the attempt's end."""
        self._opening: Chunk | None = None
        self.pieces = 0
        self.value_bytes = 0
        self.has_ids = False
        self.data_bytes = 0
        """Of the upload."""
        self._wanted_rows = wanted_rows
        self._started = time.monotonic()
        self._oom_kills = oom_kills()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def kernel_killed(self) -> bool:
        """The kernel has killed for memory since it began; whom, the child's signal must say."""
        return oom_kills() > self._oom_kills

    def take_whole(self, whole: Whole) -> None:
        """From now on the lease is that of its only chunk; the store hears of both at once."""
        self.whole, self.layout, self._opening = whole, whole.plan.layout, self.lease.chunk
        self.lease.chunk = self.lease.chunk.opened(whole.plan.spans[0])
        self.value_bytes, self.changing_chunk = len(whole.values), True

    def let_whole_go(self) -> None:
        """It is not believed: what failed is the opening."""
        if self._opening:
            self.whole, self.lease.chunk, self._opening, self.changing_chunk = None, self._opening, None, False

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
        whole = self._fits(message.partial) and self._all_there
        return whole and self._has_sampled(message.sample)

    @property
    def sample_rows(self) -> int:
        """The most rows of the job that are kept to be shown."""
        if not self.model or self.job.options.reduce:
            return 0
        width = max(self.model.n_features, len(self.model.columns or ()))
        return most_rows(self._wanted_rows, width, len(self.model.outputs))

    @property
    def _all_there(self) -> bool:
        wants_ids = self.job.options.id_column is not None
        return self.value_bytes == self.announced_bytes and self.has_ids == wants_ids

    @property
    def announced_bytes(self) -> int:
        """Of the values of the rows that this chunk has; none before they are known."""
        chunk = self.lease.chunk
        if chunk.kind != "rows" or not (self.model and self.layout):
            return 0
        return chunk.span.rows * kept.row_bytes(self.layout, self.model, self.job.options)

    def can_be(self, message: Plan | Ids | Values | Whole | Done | Failed | Ready) -> bool:
        """Whether an honest child says this of its chunk, now."""
        if isinstance(message, Ids):
            wanted = self.job.options.id_column is not None and self.announced_bytes > 0
            return wanted and not self.has_ids and not self.pieces
        if isinstance(message, Values):
            return self.value_bytes + len(message.data) <= self.announced_bytes
        if isinstance(message, Plan):
            return self._can_be_plan(message)
        if isinstance(message, Whole):
            return self._can_be_plan(message.plan) and len(message.plan.spans) == 1
        return not isinstance(message, Ready)

    def _can_be_plan(self, plan: Plan) -> bool:
        """One plan for an opening: no more rows than the data can have, and no chunk that lies outside of it."""
        if self.lease.chunk.kind != "open" or self.plan or self.job.options.dry_run or not self.model:
            return False
        places = array("Q", plan.spans.places)
        if sys.byteorder == "big":
            places.byteswap()
        inside = plan.spans.rows <= MOST_ROWS_A_BYTE * self.data_bytes and max(places, default=0) <= self.data_bytes
        return inside and len(plan.layout.features) == self.model.n_features and self._fits_groups(plan.layout)

    def _fits_groups(self, layout: Layout) -> bool:
        """No group without a feature of its own."""
        assert self.model
        most = len(self.model.ungrouped(layout)) if self.job.options.groups else 0
        return len(layout.grouped or ()) <= most

    def _has_sampled(self, sample: SampledRows | None) -> bool:
        """Whether it has kept its rows of the job's sample, and no others; or none at all."""
        if sample is None or not (self.model and self.layout):
            return sample is None
        span, seed = self.lease.chunk.span, self.job.options.seed
        total = self.job.rows or span.rows  # not yet known of a job that is opened and explained at once
        wanted = drawn(span.first, span.last, total=total, most=self.sample_rows, seed=seed)
        return bool(wanted) and sample.fits(wanted, len(self.model.values_of(self.layout)), len(self.model.outputs))

    def _fits(self, partial: Partial | None) -> bool:
        if partial is None or not (self.model and self.layout):
            return False
        features, outputs = len(self.model.values_of(self.layout)), len(self.model.outputs)
        columns = len(self.job.options.columns or range(features))
        row_bytes = 8 * features * outputs
        if len(partial.sums) != 2 * row_bytes:
            return False
        if len(partial.pair_sum) not in (0, 8 * columns * columns * outputs):
            return False
        return self._fits_cohorts(partial, row_bytes) and self._fits_drawn(partial, row_bytes)

    def _fits_cohorts(self, partial: Partial, row_bytes: int) -> bool:
        found, span = partial.cohorts, self.lease.chunk.span
        if self.job.options.by is None:
            return not found
        whole = sum(cohort.rows for cohort in found) == span.rows and all(cohort.rows > 0 for cohort in found)
        return whole and len(found) <= MOST_COHORTS and all(len(cohort.sums) == 2 * row_bytes for cohort in found)

    def _fits_drawn(self, partial: Partial, row_bytes: int) -> bool:
        assert self.model
        assert self.layout
        span, options = self.lease.chunk.span, self.job.options
        most = kept.quantile_rows(self.layout, self.model, options)
        wanted = drawn(span.first, span.last, total=self.job.rows or span.rows, most=most, seed=options.seed)
        return len(partial.drawn) == len(wanted) * row_bytes
