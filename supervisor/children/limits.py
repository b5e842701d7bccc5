"""What the machine gives: the memory limit, what of it is in use, processors, kills. Runs in the supervisor.

Reads /proc and the cgroup's files, version 2 or 1. Decides nothing: see `memory` and `watch`.
"""

import math
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import psutil

from jobs.settings import Settings

CGROUP = Path("/sys/fs/cgroup")
_FILES = {
    # version: (controller, limit, usage, counts of kills, prefix of what memory.stat says of the whole tree)
    2: ("", "memory.max", "memory.current", "memory.events", ""),
    1: ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control", "total_"),
}


class Limit(msgspec.Struct, frozen=True):
    """Bytes, and where the number comes from."""

    limit_bytes: int
    source: str
    cgroup: Path | None = None
    """The directory that sets it, where one does."""
    version: int = 2

    def in_use(self) -> int | None:
        """Bytes of it in use that could not be had by dropping file pages; None where nobody counts."""
        if self.cgroup:
            return _in_use(self.cgroup, self.version)
        if self.source == "machine":
            memory = psutil.virtual_memory()
            return int(memory.total - memory.available)
        return None


def find_limit(settings: Settings) -> Limit:
    """The smallest of MEMORY_LIMIT_MB, the cgroups' limits and the machine's memory."""
    candidates = [Limit(psutil.virtual_memory().total, "machine"), *_cgroup_limits()]
    if settings.memory_limit_bytes:
        candidates.append(Limit(settings.memory_limit_bytes, "MEMORY_LIMIT_MB"))
    return min(candidates, key=lambda candidate: candidate.limit_bytes)


def cores() -> int:
    """Processors that this process may use, by affinity and by the cgroup's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota()
    return max(1, min(allowed, math.ceil(quota))) if quota else allowed


def oom_kills() -> int:
    """How many processes of our cgroup, or else of the machine, the kernel has killed for memory so far; 0 where it
    does not tell.
    """
    return _count(_kills_file(), "oom_kill") or 0


@cache
def _kills_file() -> Path:
    """Looked for once: it is asked for at both ends of every attempt."""
    for controller, _, _, kills, _ in _FILES.values():
        for directory in _own(controller):
            if _count(directory / kills, "oom_kill") is not None:
                return directory / kills
    return Path("/proc/vmstat")


def _cgroup_limits() -> Iterator[Limit]:
    """Our own cgroup's, and those of all above it, which bind us as well."""
    for version, (controller, file, _, _, _) in _FILES.items():
        for directory in _own(controller):
            text = _read(directory / file).strip()
            if text.isdigit():
                yield Limit(int(text), f"cgroup v{version}", directory, version)


def _in_use(directory: Path, version: int) -> int | None:
    _, _, usage, _, prefix = _FILES[version]
    text = _read(directory / usage).strip()
    if not text.isdigit():
        return None
    stat = directory / "memory.stat"
    files = sum(_count(stat, f"{prefix}{kind}_file") or 0 for kind in ("active", "inactive"))
    return max(0, int(text) - files)


def _cpu_quota() -> float | None:
    """CPUs' worth of time that the cgroup allows, or None."""
    for directory in _own(""):
        quota, _, period = _read(directory / "cpu.max").strip().partition(" ")
        if quota.isdigit():
            return int(quota) / int(period)
    for directory in _own("cpu"):
        quota = _read(directory / "cpu.cfs_quota_us").strip()
        if quota.isdigit():
            return int(quota) / int(_read(directory / "cpu.cfs_period_us"))
    return None


def _own(controller: str) -> Iterator[Path]:
    """Our own cgroup's directory, then those above it; in a container the last is all that there is."""
    root = CGROUP / controller
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            own = root / path.lstrip("/")
            while own != root:
                yield own
                own = own.parent
    yield root


def _count(path: Path, name: str) -> int | None:
    """The number after a name, in a file with a name and a number on every line."""
    for line in _read(path).splitlines():
        found, _, count = line.partition(" ")
        if found == name and count.isdigit():
            return int(count)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
