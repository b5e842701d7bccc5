"""From evidence to an outcome: pure functions, no clock, no process.

Exit code, text and address space together name the cause; where they do not agree the outcome is `crashed`, which
says that we do not know. Does not say what follows: see `decide`.
"""

import os
import signal

import msgspec

from jobs.out_of_memory import says_out_of_memory
from jobs.outcomes import MACHINE_FULL, OUTCOMES, PARENT_LOST, Outcome, row_of
from jobs.protocol import Done, Failed, Ready
from supervisor.children.fork_protocol import Exited

NEAR_CAP = 0.9
"""Address space beyond the warm forkserver's that takes more than this share of the cap counts as near it."""
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
        return _verdict(Outcome.SUCCEEDED)
    if ending.killed_as is not None:
        return _killed(ending.killed_as, machine_full=ending.machine_full)
    if isinstance(ending.message, Failed):
        return _reported(ending.message)
    if ending.parent_lost:
        return _verdict(Outcome.CRASHED, code=PARENT_LOST)
    return _died(ending)


def exit_code(exited: Exited | None) -> int | None:
    return None if exited is None or exited.status is None else os.waitstatus_to_exitcode(exited.status)


def exit_signal(exited: Exited | None) -> int | None:
    code = exit_code(exited)
    return -code if code is not None and code < 0 else None


def signal_name(number: int) -> str:
    """Real-time signals have none of their own."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def _killed(reason: Outcome, *, machine_full: bool) -> Verdict:
    if reason is Outcome.CRASHED:
        return _verdict(reason, "The child sent something that is not a message and was killed.")
    return _verdict(reason, code=MACHINE_FULL if reason is Outcome.MEMORY_WATCH and machine_full else None)


def _reported(failed: Failed) -> Verdict:
    outcome = {"refused": Outcome.REFUSED, "memory": Outcome.MEMORY_CAP}.get(failed.kind, Outcome.RAISED)
    code = outcome.value if outcome is Outcome.MEMORY_CAP else failed.code
    return _verdict(outcome, failed.message, code=code)


def _died(ending: Ending) -> Verdict:
    """It ended without a word."""
    signalled = exit_signal(ending.exited)
    if signalled == signal.SIGKILL and ending.kernel_killed:
        return _verdict(Outcome.OOM_KILLED)
    if says_out_of_memory(ending.stderr) and signalled != signal.SIGKILL:
        return _verdict(Outcome.MEMORY_CAP, _with_how(OUTCOMES[Outcome.MEMORY_CAP].text, ending))
    if _near_cap(ending) and signalled in _RUNS_OUT_BY:
        return _verdict(Outcome.MEMORY_CAP, _with_how("The child died close to its cap.", ending))
    return _verdict(Outcome.CRASHED, _with_how(OUTCOMES[Outcome.CRASHED].text, ending))


def _with_how(text: str, ending: Ending) -> str:
    return f"{text.removesuffix('.')} ({_how(ending)})."


def _near_cap(ending: Ending) -> bool:
    return ending.cap_bytes > 0 and ending.vm_peak_bytes > ending.vm_limit_bytes - (1 - NEAR_CAP) * ending.cap_bytes


def _how(ending: Ending) -> str:
    signalled = exit_signal(ending.exited)
    if signalled is not None:
        return signal_name(signalled)
    code = exit_code(ending.exited)
    if code is None:
        return (ending.exited and ending.exited.error) or "no exit status"
    return f"exit code {code}"


def _verdict(outcome: Outcome, message: str | None = None, code: str | None = None) -> Verdict:
    """The words of its row, where there are no better ones."""
    code = code or outcome.value
    return Verdict(outcome=outcome, code=code, message=row_of(outcome, code).text if message is None else message)
