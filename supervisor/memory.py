"""The machine's memory limit, and the arithmetic from it to budget, slots and cap. Used once, at the start.

Reads /proc and the cgroup files, decides by pure arithmetic. Does not look at children: see `watch`.
"""

import math
import os
from pathlib import Path

import msgspec
import psutil

from jobs.settings import MIB, Settings

RESERVE_BYTES = 32 * MIB
"""For what nobody counts: the kernel's buffers for our sockets, the interpreter's own growth."""
SMALLEST_CAP_BYTES = 96 * MIB
"""Below this a default cap would hold no real model."""
LARGEST_DEFAULT_CAP_BYTES = 1024 * MIB
"""A default, not a bound: CHILD_MEMORY_MB may be larger."""
CGROUP = Path("/sys/fs/cgroup")


class NoRoom(Exception):
    """Not even one child fits into the memory limit; the message shows the arithmetic."""


class Limit(msgspec.Struct, frozen=True):
    """Bytes, and where the number comes from."""

    limit_bytes: int
    source: str


class Plan(msgspec.Struct, kw_only=True, frozen=True):
    """How the memory is shared out; all in bytes."""

    limit: Limit
    supervisor_bytes: int
    forkserver_bytes: int
    reserve_bytes: int
    budget_bytes: int
    slots: int
    cap_bytes: int

    @property
    def arithmetic(self) -> str:
        """The sum in words, for logs, `info` and refusals."""
        return (
            f"limit {_mb(self.limit.limit_bytes)} ({self.limit.source}) - supervisor {_mb(self.supervisor_bytes)}"
            f" - forkserver {_mb(self.forkserver_bytes)} - reserve {_mb(self.reserve_bytes)}"
            f" = budget {_mb(self.budget_bytes)}; {self.slots} slot(s) of {_mb(self.cap_bytes)}"
        )


def share_out(settings: Settings, limit: Limit, *, supervisor_bytes: int, forkserver_bytes: int, cores: int) -> Plan:
    """Budget, slots and cap. What the operator set is taken as it is, or refused. Raises NoRoom."""
    budget = limit.limit_bytes - supervisor_bytes - forkserver_bytes - RESERVE_BYTES
    smallest = settings.child_memory_bytes or SMALLEST_CAP_BYTES
    slots = settings.worker_slots or max(1, min(cores, budget // smallest))
    cap = settings.child_memory_bytes or min(LARGEST_DEFAULT_CAP_BYTES, max(0, budget) // slots)
    plan = Plan(
        limit=limit,
        supervisor_bytes=supervisor_bytes,
        forkserver_bytes=forkserver_bytes,
        reserve_bytes=RESERVE_BYTES,
        budget_bytes=budget,
        slots=slots,
        cap_bytes=cap,
    )
    if slots * cap > budget or cap < min(smallest, SMALLEST_CAP_BYTES):
        raise NoRoom(f"The children do not fit: {plan.arithmetic}. {_way_out(settings)}")
    return plan


def find_limit(settings: Settings) -> Limit:
    """The smallest of MEMORY_LIMIT_MB, the cgroup's limit and the machine's memory."""
    candidates = [Limit(psutil.virtual_memory().total, "machine")]
    candidates += [found for found in (_cgroup_v2(), _cgroup_v1()) if found]
    if settings.memory_limit_bytes:
        candidates.append(Limit(settings.memory_limit_bytes, "MEMORY_LIMIT_MB"))
    return min(candidates, key=lambda candidate: candidate.limit_bytes)


def cores() -> int:
    """Processors that this process may use, by affinity and by the cgroup's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota()
    return max(1, min(allowed, math.ceil(quota))) if quota else allowed


def oom_kills() -> int:
    """How many processes of our cgroup the kernel has killed for memory so far; 0 where it does not tell."""
    for path in (_own_path("", "memory.events"), _own_path("memory", "memory.oom_control")):
        for line in _read(path).splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def _cgroup_v2() -> Limit | None:
    return _limit(_own_path("", "memory.max"), "cgroup v2")


def _cgroup_v1() -> Limit | None:
    return _limit(_own_path("memory", "memory.limit_in_bytes"), "cgroup v1")


def _limit(path: Path, source: str) -> Limit | None:
    text = _read(path).strip()
    return Limit(int(text), source) if text.isdigit() else None


def _cpu_quota() -> float | None:
    """CPUs' worth of time that the cgroup allows, or None."""
    quota, _, period = _read(_own_path("", "cpu.max")).strip().partition(" ")
    if not quota:
        quota = _read(_own_path("cpu", "cpu.cfs_quota_us")).strip()
        period = _read(_own_path("cpu", "cpu.cfs_period_us")).strip()
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _own_path(controller: str, file: str) -> Path:
    """A file of our own cgroup; in a container that is the root of what it sees."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            own = CGROUP / controller / path.lstrip("/") / file
            return own if own.exists() else CGROUP / controller / file
    return CGROUP / controller / file


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _mb(size: int) -> str:
    return f"{size / MIB:.0f} MB"


def _way_out(settings: Settings) -> str:
    if settings.child_memory_mb or settings.worker_slots:
        return "Lower CHILD_MEMORY_MB or WORKER_SLOTS, or raise the limit."
    return "Raise the memory limit of this machine, or set a smaller CHILD_MEMORY_MB."
