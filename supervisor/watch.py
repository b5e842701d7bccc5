"""Looks at every child's memory from outside, and kills what passed its cap. Runs in the supervisor.

The third layer, after the estimate and RLIMIT_AS: it sees resident memory, which the hard cap does not limit. And it
sees the machine: when that is nearly full nothing new may start, and before it is full the largest child goes, so that
the kernel need not choose. Does not decide what follows from a kill.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import structlog

from jobs.outcomes import Outcome
from supervisor.budget import Budget
from supervisor.forks import Warm
from supervisor.forkservers import Forkserver
from supervisor.limits import Limit
from supervisor.spawner import Child

log = structlog.get_logger()

NEARLY_FULL = 0.92
"""Of the limit: nothing new is started."""
FULL = 0.97
"""Of the limit: the largest child is killed."""
PSS_S = 1.0
"""PSS is dear to read: the kernel walks over every page."""


class Sample(msgspec.Struct):
    """What has been seen of one process; sizes in bytes."""

    base_anon_bytes: int = 0
    cap_bytes: int = 0
    vm_limit_bytes: int = 0
    process: psutil.Process | None = None
    rss_bytes: int = 0
    pss_bytes: int = 0
    vm_size_bytes: int = 0
    growth_bytes: int = 0
    """Private memory beyond the warm forkserver's: this is what the cap is compared with."""
    peak_growth_bytes: int = 0
    vm_peak_bytes: int = 0


class Watch:
    """Samples children and templates."""

    def __init__(self, limit: Limit, budget: Budget, forkservers: list[Forkserver]) -> None:
        self._limit = limit
        self._budget = budget
        self._samples: dict[Child, Sample] = {}
        self._forkservers = forkservers
        self._pss_at = -PSS_S
        self.own_pss_bytes: dict[int, int] = {}
        """Of this process and the forkservers."""
        self.in_use_bytes = 0
        """Under the limit, by everybody; by us where nobody else is counted."""

    def add(self, child: Child, base: Warm, cap_bytes: int) -> Sample:
        """From now on; `cap_bytes` is what it may add to what it was forked from. The sample is kept up to date."""
        sample = self._samples[child] = Sample(
            base_anon_bytes=base.anon_bytes, cap_bytes=cap_bytes, vm_limit_bytes=base.vm_size_bytes + cap_bytes
        )
        return sample

    def of(self, child: Child) -> Sample:
        """What has been seen of a child; nothing of one that has gone."""
        return self._samples.get(child) or Sample()

    @property
    def samples(self) -> dict[Child, Sample]:
        return dict(self._samples)

    def look(self) -> None:
        """Sample every process once; kill those beyond their cap, forget those that are gone; look at the machine."""
        for child, sample in self.samples.items():
            if child.exited.done():
                del self._samples[child]
            elif child.pid is not None:
                self._look_at(child, child.pid, sample)
        self._look_at_machine()

    def _look_at(self, child: Child, pid: int, sample: Sample) -> None:
        try:
            sample.process = sample.process or psutil.Process(pid)
            memory = sample.process.memory_info()
        except psutil.Error:
            return
        sample.rss_bytes, sample.vm_size_bytes = memory.rss, memory.vms
        sample.growth_bytes = max(0, _private(memory) - sample.base_anon_bytes)
        sample.peak_growth_bytes = max(sample.peak_growth_bytes, sample.growth_bytes)
        sample.vm_peak_bytes = max(sample.vm_peak_bytes, memory.vms)
        if sample.growth_bytes > sample.cap_bytes and child.killed_as is None:
            log.warning("child_over_cap", child_pid=pid, growth_bytes=sample.growth_bytes, cap_bytes=sample.cap_bytes)
            child.kill(Outcome.MEMORY_WATCH)

    def _look_at_machine(self) -> None:
        if time.monotonic() - self._pss_at >= PSS_S:
            self._pss_at = time.monotonic()
            self._measure_shares()
        in_use = self._limit.in_use()
        self.in_use_bytes = self.family_bytes if in_use is None else in_use
        share = self.in_use_bytes / self._limit.limit_bytes
        self._budget.hold(share > NEARLY_FULL)
        if share > FULL:
            self._kill_largest()

    @property
    def family_bytes(self) -> int:
        """Of this process and all that it has started: what is shared is counted once."""
        return sum(self.own_pss_bytes.values()) + sum(sample.pss_bytes for sample in self._samples.values())

    def _measure_shares(self) -> None:
        own = [os.getpid(), *(pid for pid in map(self._pid, self._forkservers) if pid)]
        self.own_pss_bytes = {pid: proportional_bytes(pid) for pid in own}
        for child, sample in self._samples.items():
            if child.pid is not None:
                sample.pss_bytes = proportional_bytes(child.pid) or sample.pss_bytes

    @staticmethod
    def _pid(forkserver: Forkserver) -> int | None:
        return forkserver.life.warm.pid if forkserver.life else None

    def _kill_largest(self) -> None:
        """One at a time: what was killed must be gone before more has to go."""
        if any(child.killed_as for child in self._samples) or not self._samples:
            return
        child, sample = max(self._samples.items(), key=lambda pair: pair[1].growth_bytes)
        log.warning(
            "machine_full",
            child_pid=child.pid,
            growth_bytes=sample.growth_bytes,
            in_use_bytes=self.in_use_bytes,
            limit_bytes=self._limit.limit_bytes,
        )
        child.kill(Outcome.MEMORY_WATCH)


def proportional_bytes(pid: int) -> int:
    """PSS: private pages, and of each shared page the part that falls to this process; 0 where it is not told."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _private(memory: Any) -> int:
    """Resident memory less file pages and shared memory, where the platform tells them apart."""
    return int(memory.rss - memory.shared) if sys.platform == "linux" else int(memory.rss)
