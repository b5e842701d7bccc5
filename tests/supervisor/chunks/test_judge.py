"""From evidence to an outcome: pure, so played by the table."""

import signal
from typing import Any

import pytest

from jobs.outcomes import MACHINE_FULL, PARENT_LOST, Outcome
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


EDGE = LIMIT - CAP // 10
"""Beyond it lies the last tenth of the cap."""
OUT_OF_ROOM = [signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGTRAP, signal.SIGILL]


@pytest.mark.parametrize("number", OUT_OF_ROOM)
def test_who_dies_of_such_a_signal_close_to_its_cap_has_run_out(number: signal.Signals) -> None:
    def died(vm_peak_bytes: int, cap_bytes: int = CAP) -> Outcome:
        exited = by_signal(number)
        return judge(
            Ending(exited=exited, vm_peak_bytes=vm_peak_bytes, vm_limit_bytes=LIMIT, cap_bytes=cap_bytes)
        ).outcome

    assert died(EDGE + 1) is Outcome.MEMORY_CAP
    assert died(EDGE) is Outcome.CRASHED
    assert died(LIMIT, cap_bytes=1) is Outcome.MEMORY_CAP
    assert died(LIMIT + 1, cap_bytes=0) is Outcome.CRASHED


@pytest.mark.parametrize("exited", [by_signal(signal.SIGTERM), by_signal(signal.SIGKILL), by_exit(1), None])
def test_any_other_end_close_to_the_cap_says_nothing(exited: Exited | None) -> None:
    ending = Ending(exited=exited, vm_peak_bytes=LIMIT, vm_limit_bytes=LIMIT, cap_bytes=CAP)
    assert judge(ending).outcome is Outcome.CRASHED


def test_a_kill_is_not_the_caps_whatever_was_said_before() -> None:
    assert judge(Ending(exited=by_signal(signal.SIGKILL), stderr=BAD_ALLOC)).outcome is Outcome.CRASHED
    assert judge(Ending(exited=by_signal(signal.SIGSEGV), kernel_killed=True)).outcome is Outcome.CRASHED


def test_what_the_child_did_comes_before_what_we_did_and_that_before_what_it_said() -> None:
    done, failed = Done(memory=MemoryReport()), Failed(kind="raised", code="raised", message="")
    assert judge(Ending(message=done, killed_as=Outcome.CANCELLED)).outcome is Outcome.SUCCEEDED
    assert judge(Ending(message=failed, killed_as=Outcome.CANCELLED)).outcome is Outcome.CANCELLED
    assert judge(Ending(message=failed, parent_lost=True)).outcome is Outcome.RAISED
    assert judge(Ending(parent_lost=True, exited=by_exit(0))).code == PARENT_LOST


@pytest.mark.parametrize(
    ("kind", "code", "expected"),
    [("refused", "no_rows", "no_rows"), ("raised", "odd", "odd"), ("memory", "odd", "memory_cap")],
)
def test_a_child_names_its_reason_but_for_memory(kind: Any, code: str, expected: str) -> None:
    verdict = judge(Ending(message=Failed(kind=kind, code=code, message="So.")))
    assert (verdict.code, verdict.message) == (expected, "So.")


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        (Ending(exited=by_exit(3)), "The child ended without a report (exit code 3)."),
        (Ending(exited=by_signal(signal.SIGTERM)), "The child ended without a report (SIGTERM)."),
        (Ending(), "The child ended without a report (no exit status)."),
        (
            Ending(exited=Exited(number=1, status=None, error="fork failed")),
            "The child ended without a report (fork failed).",
        ),
        (Ending(exited=by_exit(1), stderr=BAD_ALLOC), "The child ran out of memory at its cap (exit code 1)."),
        (segfault(LIMIT), "The child died close to its cap (SIGSEGV)."),
        (
            Ending(exited=by_signal(signal.SIGKILL), kernel_killed=True),
            "The kernel killed the child: the machine ran out of memory.",
        ),
        (
            Ending(killed_as=Outcome.CRASHED, machine_full=True),
            "The child sent something that is not a message and was killed.",
        ),
        (
            Ending(killed_as=Outcome.TIMED_OUT, machine_full=True),
            "The child took longer than CHUNK_TIMEOUT_S and was killed.",
        ),
        (Ending(parent_lost=True), "The process that the child was forked from died."),
        (Ending(message=Done(memory=MemoryReport())), ""),
    ],
)
def test_the_words_say_how_it_ended(ending: Ending, message: str) -> None:
    assert judge(ending).message == message
