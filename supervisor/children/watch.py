"""Looks at every child's memory from outside, and kills what passed its cap. Runs in the supervisor.

The third layer, after the estimate and RLIMIT_AS: it sees what the hard cap does not limit: inherited pages that a
child writes to, which then are its own, and processes that a child has started. And it sees the machine: when that is
nearly full nothing new may start, and before it is full the largest child goes, so that the kernel need not choose.
Does not decide what follows from a kill.
"""

import asyncio
import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator

import msgspec
import structlog

from jobs.outcomes import Outcome
from supervisor.children.budget import Budget
from supervisor.children.fork_protocol import Warm, address_space_bytes
from supervisor.children.limits import Limit
from supervisor.children.spawner import Child, signal_group
from supervisor.children.stacks import Stack
from supervisor.children.usage import PAGE_BYTES, Shares, Usage, companions, shares, usage

log = structlog.get_logger()

NEARLY_FULL = 0.92
"""Of the limit: nothing new is started."""
FULL = 0.97
"""Of the limit: the largest child is killed."""
CLOSE_LOOK_S = 1.0
"""Shares are dear to read, so once a second will do,"""
CLOSE_LOOK_SHARE = 1 / 32
"""unless since then so much of the cap may have been written to unseen."""
STILL_SHARE = 7 / 8
"""Of its cap: who may have so much stands still for a close look, which takes as long as filling the rest."""
LONGEST_PAUSE_S, SHORTEST_PAUSE_S = 0.1, 0.001
"""Between two looks,"""
FASTEST_BYTES_S = 16 * 1024**3
"""in which nobody shall fill what is left of its cap: twice what a child and those that it has started touch on two
cores, as a look is late at times."""


class Sample(msgspec.Struct):
    """What has been seen of one child, and of the processes that it has started; sizes in bytes."""

    base_anon_bytes: int = 0
    cap_bytes: int = 0
    vm_limit_bytes: int = 0
    inherited_bytes: int = 0
    """Of the cap, what the template it was forked from takes; a page of that which is written to is there twice."""
    rss_bytes: int = 0
    pss_bytes: int = 0
    """When last looked at closely; its growth, before that."""
    vm_size_bytes: int = 0
    growth_bytes: int = 0
    """Memory that is there because of it, beyond the warm forkserver's: this is what the cap is compared with."""
    peak_growth_bytes: int = 0
    vm_peak_bytes: int = 0
    copied_bytes: int = 0
    """Inherited pages that it has written to, when last looked at closely."""
    companions: dict[int, "Companion"] = {}
    """The processes that it has started, by pid."""
    looked_closely_at: float = 0.0
    """Or when it began: most are gone before they are due."""
    faults: int = 0
    """Until then; 0 before the first."""
    at_rest: bool = False
    """A template that has loaded its model only waits to fork, and takes no more."""
    machine_full: bool = False
    """It was killed for being the largest, not for what it took."""


class Companion(msgspec.Struct):
    """What has been seen of a process that a child has started; sizes in bytes."""

    shares: Shares = Shares(0, 0)
    faults: int = 0
    """When its shares were looked at."""
    written_bytes: int = 0
    """At most, since then."""

    @property
    def growth_bytes(self) -> int:
        """At most."""
        return self.shares.private_bytes + self.written_bytes

    def count(self, pid: int) -> None:
        if seen := usage(pid):
            self.written_bytes = (seen.faults - self.faults) * PAGE_BYTES

    def look(self, pid: int) -> None:
        if (seen := usage(pid)) and (found := shares(pid)):
            self.shares, self.faults, self.written_bytes = found, seen.faults, 0


class Watch:
    """Samples children and templates."""

    def __init__(self, limit: Limit, budget: Budget, stacks: list[Stack]) -> None:
        self._limit = limit
        self._budget = budget
        self._samples: dict[Child, Sample] = {}
        self._stacks = stacks
        self._looked_closely_at = -CLOSE_LOOK_S
        self._due, self._sooner = math.inf, asyncio.Event()
        self.own_pss_bytes: dict[int, int] = {}
        """Of this process and the forkservers."""
        self.in_use_bytes = 0
        """Under the limit, by everybody; by us where nobody else is counted."""

    def add(self, child: Child, base: Warm, cap_bytes: int, *, inherited_bytes: int = 0) -> Sample:
        """From now on; `cap_bytes` is what it may add to the forkserver. The sample is kept up to date."""
        sample = self._samples[child] = Sample(
            base_anon_bytes=base.anon_bytes,
            cap_bytes=cap_bytes,
            vm_limit_bytes=address_space_bytes(base.vm_size_bytes, cap_bytes),
            inherited_bytes=inherited_bytes,
            growth_bytes=inherited_bytes,
            looked_closely_at=time.monotonic(),
        )
        if time.monotonic() + self.pause_s < self._due:
            self._sooner.set()
        return sample

    def of(self, child: Child) -> Sample:
        """What has been seen of a child; nothing of one that has gone."""
        return self._samples.get(child) or Sample()

    @property
    def samples(self) -> dict[Child, Sample]:
        return dict(self._samples)

    def rest(self, child: Child) -> None:
        """A template is loaded."""
        self.of(child).at_rest = True

    @property
    def pause_s(self) -> float:
        """Until the next look: the less room a child has left, the sooner."""
        room = [sample.cap_bytes - sample.growth_bytes for sample in self._samples.values() if not sample.at_rest]
        longest = min(room, default=math.inf) / FASTEST_BYTES_S
        return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, longest))

    async def keep_looking(self) -> None:
        """As often as is needed; never returns."""
        while True:
            self.look()
            await self.pause()

    async def pause(self) -> None:
        """Until the next look is due, which a child that is added meanwhile may bring forward."""
        self._due = math.inf
        while (now := time.monotonic()) < (due := min(self._due, now + self.pause_s)):
            self._due = due
            self._sooner.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._sooner.wait(), due - now)

    def look(self) -> None:
        """Sample every process once; kill those beyond their cap, forget those that are gone; look at the machine."""
        for child, sample in self.samples.items():
            if child.exited.done():
                del self._samples[child]
            elif child.pid is not None and (seen := usage(child.pid)):
                _note(sample, child.pid, seen)
                self._hold_to_cap(child, sample)
        self._look_at_machine()

    @property
    def family_bytes(self) -> int:
        """Of this process and all that it has started: what is shared is counted once."""
        samples = self._samples.values()
        companions_of = (companion for sample in samples for companion in sample.companions.values())
        children = sum(sample.pss_bytes for sample in samples) + sum(found.shares.pss_bytes for found in companions_of)
        return sum(self.own_pss_bytes.values()) + children

    def _hold_to_cap(self, child: Child, sample: Sample) -> None:
        if sample.growth_bytes > sample.cap_bytes and child.killed_as is None:
            log.warning(
                "child_over_cap", child_pid=child.pid, growth_bytes=sample.growth_bytes, cap_bytes=sample.cap_bytes
            )
            child.kill(Outcome.MEMORY_WATCH)

    def _look_at_machine(self) -> None:
        if time.monotonic() - self._looked_closely_at >= CLOSE_LOOK_S:
            self._looked_closely_at = time.monotonic()
            own = [os.getpid(), *(stack.forkserver.warm.pid for stack in self._stacks if stack.forkserver)]
            self.own_pss_bytes = {pid: found.pss_bytes for pid in own if (found := shares(pid))}
        in_use = self._limit.in_use()
        self.in_use_bytes = self.family_bytes if in_use is None else in_use
        share = self.in_use_bytes / self._limit.limit_bytes
        self._budget.hold(share > NEARLY_FULL)
        if share > FULL:
            self._kill_largest()

    def _kill_largest(self) -> None:
        """One at a time: what was killed must be gone before more has to go."""
        if any(child.killed_as for child in self._samples) or not self._samples:
            return
        child, sample = max(self._samples.items(), key=lambda pair: pair[1].growth_bytes)
        sample.machine_full = True
        log.warning(
            "machine_full",
            child_pid=child.pid,
            growth_bytes=sample.growth_bytes,
            in_use_bytes=self.in_use_bytes,
            limit_bytes=self._limit.limit_bytes,
        )
        child.kill(Outcome.MEMORY_WATCH)


def _note(sample: Sample, pid: int, seen: Usage) -> None:
    """Take up what was seen of a child and of what it has started; look closely if it is time for that."""
    sample.companions = {found: sample.companions.get(found) or Companion() for found in companions(pid)}
    for found, companion in sample.companions.items():
        companion.count(found)
    written = [(seen.faults - sample.faults) * PAGE_BYTES, *(c.written_bytes for c in sample.companions.values())]
    at_most = _grown(sample, seen) + written[0]
    late = time.monotonic() - sample.looked_closely_at >= CLOSE_LOOK_S
    if late or max(written) > CLOSE_LOOK_SHARE * sample.cap_bytes or at_most > sample.cap_bytes:
        near_its_cap = at_most > STILL_SHARE * sample.cap_bytes
        with _standing_still(pid) if near_its_cap else contextlib.nullcontext():
            seen = _look_closely(sample, pid) or seen
    sample.rss_bytes, sample.vm_size_bytes = seen.rss_bytes, seen.vm_size_bytes
    sample.growth_bytes = _grown(sample, seen)
    if not sample.faults:
        sample.pss_bytes = sample.growth_bytes
    sample.peak_growth_bytes = max(sample.peak_growth_bytes, sample.growth_bytes)
    sample.vm_peak_bytes = max(sample.vm_peak_bytes, seen.vm_size_bytes)


def _grown(sample: Sample, seen: Usage) -> int:
    of_companions = sum(companion.growth_bytes for companion in sample.companions.values())
    return _added(sample, seen) + sample.copied_bytes + of_companions


def _added(sample: Sample, seen: Usage) -> int:
    """Without copies: an inherited page counts in `anon_bytes` from the fork on, and a copy of it adds nothing."""
    return max(0, seen.anon_bytes - sample.base_anon_bytes)


def _look_closely(sample: Sample, pid: int) -> Usage | None:
    """At all their pages; what was seen of the child meanwhile."""
    for found, companion in sample.companions.items():
        companion.look(found)
    seen, found_shares = usage(pid), shares(pid)
    if not (seen and found_shares):
        return None
    sample.looked_closely_at, sample.faults = time.monotonic(), seen.faults
    sample.pss_bytes = found_shares.pss_bytes
    sample.copied_bytes = max(0, sample.inherited_bytes + found_shares.private_bytes - _added(sample, seen))
    return seen


@contextlib.contextmanager
def _standing_still(pid: int) -> Iterator[None]:
    """Meanwhile neither it nor what it has started goes on."""
    signal_group(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_group(pid, signal.SIGCONT)
