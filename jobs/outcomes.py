"""How an attempt can end: values, not exceptions. Written by the supervisor, read by everyone.

Does not decide what follows from an outcome: see `supervisor.chunks.decide`.
"""

from enum import StrEnum
from typing import Any

import msgspec


class Outcome(StrEnum):
    """One run of a chunk ended in one of these ways."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"  # the child says that no retry can help: bad model, bad data
    RAISED = "raised"  # an exception that the child could still report
    MEMORY_CAP = "memory_cap"  # an allocation failed at RLIMIT_AS
    MEMORY_WATCH = "memory_watch"  # the supervisor saw it pass its cap and killed it
    OOM_KILLED = "oom_killed"  # the kernel killed it
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"  # a signal or an exit without a report
    CANCELLED = "cancelled"  # the job ended, or the lease went to somebody else
    SUPERVISOR_LOST = "supervisor_lost"  # the lease expired or the supervisor shut down


MEMORY_OUTCOMES = frozenset({Outcome.MEMORY_CAP, Outcome.MEMORY_WATCH, Outcome.OOM_KILLED})


class Evidence(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is known of an attempt's end. Sizes in bytes, durations in seconds."""

    exit_code: int | None = None
    signal: str | None = None
    seconds: float = 0.0
    cap_bytes: int | None = None
    peak_bytes: int | None = None
    """The most resident memory that the child added to what it was forked from."""
    vm_peak_bytes: int | None = None
    """VmPeak: the most address space; it is this that RLIMIT_AS limits."""
    vm_hwm_bytes: int | None = None
    """VmHWM: the most resident memory, inherited pages included."""
    vm_limit_bytes: int | None = None
    """RLIMIT_AS of the child: the warm VmSize plus the cap, less what is left for growth that it does not see."""
    stderr: str | None = None
    """The last lines that native libraries wrote."""


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One run of one chunk, as it stays readable on the job."""

    chunk: str
    attempt: int
    outcome: Outcome
    supervisor: str
    code: str | None = None
    """The problem's code, where the child named one."""
    message: str | None = None
    detail: dict[str, Any] = {}
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    ended_at: float = 0.0
