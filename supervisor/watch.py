"""Looks at every child's memory from outside, and kills what passed its cap. Runs in the supervisor.

The third layer, after the estimate and RLIMIT_AS: it sees resident memory, which the hard cap does not limit. Does not
decide what follows from a kill.
"""

import sys
import time
from typing import Any

import msgspec
import psutil
import structlog

from jobs.outcomes import Outcome
from supervisor.forks import Warm
from supervisor.spawner import Child

log = structlog.get_logger()


class Sample(msgspec.Struct):
    """What has been seen of one process; sizes in bytes."""

    since: float
    process: psutil.Process | None = None
    rss_bytes: int = 0
    vm_size_bytes: int = 0
    growth_bytes: int = 0
    """Private memory beyond the warm forkserver's: this is what the cap is compared with."""
    peak_growth_bytes: int = 0
    vm_peak_bytes: int = 0


class Watch:
    """Samples children and templates; `cap_bytes` is what each may add to the forkserver's warm baseline."""

    def __init__(self, warm: Warm, cap_bytes: int) -> None:
        self._warm = warm
        self._cap_bytes = cap_bytes
        self._samples: dict[Child, Sample] = {}

    def add(self, child: Child) -> None:
        self._samples[child] = Sample(since=time.monotonic())

    def of(self, child: Child) -> Sample:
        """The last sample, also of a child that has exited, until the next look."""
        return self._samples.get(child) or Sample(since=time.monotonic())

    @property
    def samples(self) -> dict[Child, Sample]:
        return dict(self._samples)

    def look(self) -> None:
        """Sample every process once; kill those beyond their cap, forget those that are gone."""
        for child, sample in self.samples.items():
            if child.exited.done():
                del self._samples[child]
            elif child.pid is not None:
                self._look_at(child, child.pid, sample)

    def _look_at(self, child: Child, pid: int, sample: Sample) -> None:
        try:
            sample.process = sample.process or psutil.Process(pid)
            memory = sample.process.memory_info()
        except psutil.Error:
            return
        sample.rss_bytes, sample.vm_size_bytes = memory.rss, memory.vms
        sample.growth_bytes = max(0, _private(memory) - self._warm.anon_bytes)
        sample.peak_growth_bytes = max(sample.peak_growth_bytes, sample.growth_bytes)
        sample.vm_peak_bytes = max(sample.vm_peak_bytes, memory.vms)
        if sample.growth_bytes > self._cap_bytes and child.killed_as is None:
            log.warning("child_over_cap", child_pid=pid, growth_bytes=sample.growth_bytes, cap_bytes=self._cap_bytes)
            child.kill(Outcome.MEMORY_WATCH)


def _private(memory: Any) -> int:
    """Resident memory less file pages and shared memory, where the platform tells them apart."""
    return int(memory.rss - memory.shared) if sys.platform == "linux" else int(memory.rss)
