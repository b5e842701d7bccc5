"""From a child, what was seen of it and its last word to the record of its attempt: pure, without processes."""

import signal
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.errors import InputLost
from jobs.outcomes import Attempt, Evidence, Outcome
from jobs.protocol import Done, Failed, MemoryReport, Ready
from jobs.records import Chunk
from supervisor.children.fork_protocol import Exited
from supervisor.children.watch import Sample
from supervisor.chunks.evidence import (
    STDERR_CHARACTERS,
    attempt_of,
    ending_of,
    evidence_of,
    refused,
    unless_incomplete,
)
from supervisor.chunks.judge import Ending, Verdict
from tests.supervisor.scripted import MODEL

SAMPLE = Sample(cap_bytes=100, vm_limit_bytes=900, vm_peak_bytes=800, peak_growth_bytes=70)
CRASH = Exited(number=1, status=int(signal.SIGSEGV))


def child(exited: Exited | None = None, **seen: Any) -> Any:
    future = SimpleNamespace(done=lambda: exited is not None, result=lambda: exited)
    stderr = SimpleNamespace(text=lambda: "its last words")
    return SimpleNamespace(**{"exited": future, "killed_as": None, "parent_lost": False, "stderr": stderr, **seen})


def test_an_ending_is_all_that_is_known() -> None:
    dead = child(CRASH, killed_as=Outcome.MEMORY_WATCH, parent_lost=True)
    sample = Sample(cap_bytes=100, vm_limit_bytes=900, vm_peak_bytes=800, machine_full=True)
    assert ending_of(dead, sample, None, kernel_killed=True) == Ending(
        exited=CRASH,
        killed_as=Outcome.MEMORY_WATCH,
        parent_lost=True,
        kernel_killed=True,
        stderr="its last words",
        vm_peak_bytes=800,
        vm_limit_bytes=900,
        cap_bytes=100,
        machine_full=True,
    )


def test_who_has_done_its_work_need_not_have_exited() -> None:
    done = Done(memory=MemoryReport())
    ending = ending_of(child(), SAMPLE, done, kernel_killed=False)
    assert (ending.message, ending.exited) == (done, None)


def test_what_the_supervisor_refuses_reads_like_a_childs_refusal() -> None:
    ending = refused(InputLost())
    assert isinstance(ending.message, Failed)
    assert (ending.message.kind, ending.message.code) == ("refused", InputLost().code)
    assert ending.message.message == InputLost().message


@pytest.mark.parametrize(
    ("reported", "inherited", "peak"),
    [
        (20, 30, 70),  # the watch saw more
        (50, 30, 80),  # the child did, its model included
        (71, 0, 71),
    ],
)
def test_the_peak_is_the_larger_of_what_both_saw(reported: int, inherited: int, peak: int) -> None:
    message = Done(memory=MemoryReport(peak_bytes=reported, vm_peak_bytes=850, vm_hwm_bytes=5))
    evidence = evidence_of(Ending(message=message), SAMPLE, inherited_bytes=inherited, seconds=1.23456789)
    assert evidence == Evidence(
        seconds=1.2346, cap_bytes=100, peak_bytes=peak, vm_peak_bytes=850, vm_hwm_bytes=5, vm_limit_bytes=900
    )


def test_of_who_died_without_a_word_the_watch_tells() -> None:
    stderr = "x" * STDERR_CHARACTERS + "the last"
    evidence = evidence_of(Ending(exited=CRASH, stderr=stderr), SAMPLE, inherited_bytes=30, seconds=1.0)
    assert (evidence.exit_code, evidence.signal) == (-signal.SIGSEGV, "SIGSEGV")
    assert (evidence.peak_bytes, evidence.vm_peak_bytes, evidence.vm_hwm_bytes) == (70, 800, None)
    assert evidence.stderr == stderr[-STDERR_CHARACTERS:]
    assert len(evidence.stderr) == STDERR_CHARACTERS


def test_without_a_child_there_is_no_cap() -> None:
    evidence = evidence_of(Ending(parent_lost=True), Sample(), inherited_bytes=0, seconds=1.0)
    assert (evidence.cap_bytes, evidence.vm_limit_bytes, evidence.exit_code, evidence.stderr) == (None,) * 4


SUCCESS = Verdict(outcome=Outcome.SUCCEEDED, code="succeeded", message="")
CHUNK = Chunk(id="4-7", kind="rows", attempts=2)


def test_done_without_what_belongs_to_it_is_no_success() -> None:
    assert unless_incomplete(SUCCESS, complete=True) is SUCCESS
    verdict = unless_incomplete(SUCCESS, complete=False)
    assert (verdict.outcome, verdict.code) == (Outcome.CRASHED, "incomplete")
    failure = Verdict(outcome=Outcome.RAISED, code="raised", message="It did.")
    assert unless_incomplete(failure, complete=False) is failure


def test_the_record_of_a_success_names_no_cause() -> None:
    ending = Ending(message=Ready(MODEL))
    attempt = attempt_of(CHUNK, ending, SUCCESS, Evidence(seconds=1.0), supervisor="sup", ended_at=7.0)
    assert attempt == Attempt(
        chunk="4-7",
        attempt=3,
        outcome=Outcome.SUCCEEDED,
        supervisor="sup",
        evidence=Evidence(seconds=1.0),
        ended_at=7.0,
    )


def test_the_record_of_a_failure_has_what_the_child_said() -> None:
    failed = Failed(kind="refused", code="not_numeric", message="row 3", detail={"row": 3})
    verdict = Verdict(outcome=Outcome.REFUSED, code="not_numeric", message="row 3")
    attempt = attempt_of(CHUNK, Ending(message=failed), verdict, Evidence(), supervisor="sup", ended_at=7.0)
    assert (attempt.code, attempt.message, attempt.detail) == ("not_numeric", "row 3", {"row": 3})


def test_of_a_child_that_nobody_saw_nothing_is_made_up() -> None:
    evidence = evidence_of(Ending(), Sample(), inherited_bytes=0, seconds=0.0)
    assert evidence == Evidence(peak_bytes=0, vm_peak_bytes=0)
