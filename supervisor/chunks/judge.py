"""From evidence to an outcome: pure functions, no clock, no process.

Exit code, text and address space together name the cause; where they do not agree the outcome is `crashed`, which
says that we do not know. Does not say what follows: see `decide`.
"""

import os
import re
import signal

import msgspec

from jobs.codec import Done, Failed, Ready
from jobs.outcomes import Outcome
from supervisor.children.fork_protocol import Exited

_OUT_OF_MEMORY = re.compile(
    r"bad_alloc|out of memory|cannot allocate memory|unable to allocate|can't start new thread|memoryerror"
    r"|failed to map segment",
    re.IGNORECASE,
)
NEAR_CAP = 0.9
"""Address space beyond the warm forkserver's that takes more than this share of the cap counts as near it."""
MACHINE_FULL = "machine_full"
"""The code of an attempt that did not pass its own cap, and was killed nevertheless."""
_RUNS_OUT_BY = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGTRAP, signal.SIGILL})


class Ending(msgspec.Struct, kw_only=True, frozen=True):
    """All that is known of how an attempt ended."""

    message: Done | Failed | Ready | None = None
    """The last word of the child, if it had one."""
    exited: Exited | None = None
    killed_as: Outcome | None = None
    """Why we killed it, if we did."""
    parent_lost: bool = False
    """What it was forked from died, and it with it."""
    kernel_killed: bool = False
    """The kernel's count of processes killed for memory went up meanwhile."""
    stderr: str = ""
    vm_peak_bytes: int = 0
    vm_limit_bytes: int = 0
    cap_bytes: int = 0
    machine_full: bool = False
    """We killed it for being the largest when the machine was nearly full."""


class Verdict(msgspec.Struct, kw_only=True, frozen=True):
    """An outcome, and the words for it."""

    outcome: Outcome
    code: str
    message: str


def judge(ending: Ending) -> Verdict:
    """Name the cause. What the child itself could still say comes first, then what we did, then what we can see."""
    if isinstance(ending.message, Done | Ready):
        return _verdict(Outcome.SUCCEEDED, "")
    if ending.killed_as is Outcome.MEMORY_WATCH and ending.machine_full:
        return _verdict(Outcome.MEMORY_WATCH, _MACHINE_FULL, code=MACHINE_FULL)
    if ending.killed_as is not None:
        return _verdict(ending.killed_as, _KILLED.get(ending.killed_as, ""))
    if isinstance(ending.message, Failed):
        return _reported(ending.message)
    if ending.parent_lost:
        return _verdict(Outcome.CRASHED, "The process that the child was forked from died.", code="parent_lost")
    return _died(ending)


def exit_code(exited: Exited | None) -> int | None:
    return None if exited is None or exited.status is None else os.waitstatus_to_exitcode(exited.status)


def exit_signal(exited: Exited | None) -> signal.Signals | None:
    code = exit_code(exited)
    return signal.Signals(-code) if code is not None and code < 0 else None


_MACHINE_FULL = (
    "The machine was nearly full, and this child was the largest: it was killed before the kernel chose one."
)
_KILLED = {
    Outcome.MEMORY_WATCH: "The child grew past its cap and was killed.",
    Outcome.TIMED_OUT: "The child took longer than CHUNK_TIMEOUT_S and was killed.",
    Outcome.CANCELLED: "The job was cancelled.",
    Outcome.SUPERVISOR_LOST: "The supervisor was shut down before the child had finished.",
    Outcome.CRASHED: "The child sent something that is not a message and was killed.",
}


def _reported(failed: Failed) -> Verdict:
    outcome = {"refused": Outcome.REFUSED, "memory": Outcome.MEMORY_CAP}.get(failed.kind, Outcome.RAISED)
    code = outcome.value if outcome is Outcome.MEMORY_CAP else failed.code
    return _verdict(outcome, failed.message, code=code)


def _died(ending: Ending) -> Verdict:
    """It ended without a word."""
    signalled = exit_signal(ending.exited)
    if signalled is signal.SIGKILL and ending.kernel_killed:
        return _verdict(Outcome.OOM_KILLED, "The kernel killed the child: the machine ran out of memory.")
    says_so = bool(_OUT_OF_MEMORY.search(ending.stderr))
    if says_so and signalled is not signal.SIGKILL:
        return _verdict(Outcome.MEMORY_CAP, f"The child ran out of memory at its cap ({_how(ending)}).")
    if _near_cap(ending) and signalled in _RUNS_OUT_BY:
        return _verdict(Outcome.MEMORY_CAP, f"The child died close to its cap ({_how(ending)}).")
    return _verdict(Outcome.CRASHED, f"The child ended without a report ({_how(ending)}).")


def _near_cap(ending: Ending) -> bool:
    return ending.cap_bytes > 0 and ending.vm_peak_bytes > ending.vm_limit_bytes - (1 - NEAR_CAP) * ending.cap_bytes


def _how(ending: Ending) -> str:
    signalled = exit_signal(ending.exited)
    if signalled is not None:
        return signalled.name
    code = exit_code(ending.exited)
    if code is None:
        return (ending.exited and ending.exited.error) or "no exit status"
    return f"exit code {code}"


def _verdict(outcome: Outcome, message: str, code: str | None = None) -> Verdict:
    return Verdict(outcome=outcome, code=code or outcome.value, message=message)
