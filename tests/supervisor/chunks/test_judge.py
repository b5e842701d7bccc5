"""From evidence to an outcome: pure, so played by the table."""

import signal

import pytest

from jobs.outcomes import MACHINE_FULL, Outcome
from jobs.protocol import Done, Failed, MemoryReport
from supervisor.children.fork_protocol import Exited
from supervisor.chunks.judge import Ending, judge

MIB = 1024 * 1024
LIMIT, CAP = 500 * MIB, 50 * MIB
BAD_ALLOC = "terminate called after throwing an instance of 'std::bad_alloc'"


def by_signal(number: signal.Signals) -> Exited:
    return Exited(number=1, status=int(number))


def by_exit(code: int) -> Exited:
    return Exited(number=1, status=code << 8)


def segfault(vm_peak_bytes: int) -> Ending:
    exited = by_signal(signal.SIGSEGV)
    return Ending(exited=exited, vm_peak_bytes=vm_peak_bytes, vm_limit_bytes=LIMIT, cap_bytes=CAP)


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (Ending(message=Done(memory=MemoryReport())), Outcome.SUCCEEDED),
        (Ending(message=Failed(kind="refused", code="no_rows", message="")), Outcome.REFUSED),
        (Ending(message=Failed(kind="memory", code="memory_cap", message="")), Outcome.MEMORY_CAP),
        (Ending(message=Failed(kind="raised", code="raised", message="")), Outcome.RAISED),
        (Ending(exited=by_signal(signal.SIGKILL), killed_as=Outcome.MEMORY_WATCH), Outcome.MEMORY_WATCH),
        (Ending(exited=by_signal(signal.SIGKILL), killed_as=Outcome.TIMED_OUT), Outcome.TIMED_OUT),
        (Ending(exited=by_signal(signal.SIGKILL), kernel_killed=True), Outcome.OOM_KILLED),
        (Ending(exited=by_signal(signal.SIGKILL)), Outcome.CRASHED),
        (Ending(exited=by_signal(signal.SIGABRT), stderr=BAD_ALLOC), Outcome.MEMORY_CAP),
        (Ending(exited=by_signal(signal.SIGABRT), stderr="LLVM ERROR: out of memory"), Outcome.MEMORY_CAP),
        (Ending(exited=by_exit(1), stderr="Cannot allocate memory"), Outcome.MEMORY_CAP),
        (Ending(exited=by_signal(signal.SIGABRT), stderr="assertion failed"), Outcome.CRASHED),
        (segfault(vm_peak_bytes=LIMIT - MIB), Outcome.MEMORY_CAP),
        (segfault(vm_peak_bytes=LIMIT - CAP // 2), Outcome.CRASHED),
        (Ending(exited=by_exit(70), stderr="MemoryError: "), Outcome.MEMORY_CAP),
        (Ending(exited=by_exit(70), stderr="lib.so: failed to map segment from shared object"), Outcome.MEMORY_CAP),
        (Ending(exited=by_exit(0)), Outcome.CRASHED),
        (Ending(parent_lost=True), Outcome.CRASHED),
    ],
)
def test_the_cause_is_named(ending: Ending, outcome: Outcome) -> None:
    assert judge(ending).outcome is outcome


def test_both_reasons_to_kill_are_told_apart() -> None:
    killed = {"exited": by_signal(signal.SIGKILL), "killed_as": Outcome.MEMORY_WATCH}
    own, other = judge(Ending(**killed)), judge(Ending(**killed, machine_full=True))
    assert (own.code, other.code) == ("memory_watch", MACHINE_FULL)
    assert "past its cap" in own.message
    assert "machine" in other.message
