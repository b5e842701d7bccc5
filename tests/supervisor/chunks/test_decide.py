"""From an outcome to what follows: pure, so played by the table."""

from typing import Any

import msgspec
import pytest

from jobs.outcomes import CAUSES, MACHINE_FULL, PARENT_LOST, Evidence, Outcome
from jobs.records import OPEN, Chunk
from supervisor.chunks.decide import MAX_CRASHES, decide
from supervisor.chunks.judge import Verdict

ROWS = Chunk(id="0-9", kind="rows", first=0, last=9, span_first=0, start=0, end=100)
ROW = Chunk(id="4-4", kind="rows", first=4, last=4, span_first=0, start=0, end=100)


def follows(chunk: Chunk, outcome: Outcome, *, max_attempts: int = 3, **circumstances: Any) -> Any:
    verdict = Verdict(outcome=outcome, code=circumstances.pop("code", outcome.value), message="")
    return decide(chunk, verdict, Evidence(), max_attempts=max_attempts, detail={}, **circumstances)


# outcome, code: what follows for several rows, for what cannot be halved, and at the last attempt
TABLE = {
    (Outcome.REFUSED, "not_numeric"): ("fail", "fail", "fail"),
    (Outcome.RAISED, "raised"): ("retry", "retry", "fail"),
    (Outcome.RAISED, PARENT_LOST): ("retry", "retry", "fail"),  # a child says so: it is not to be believed
    (Outcome.MEMORY_CAP, "memory_cap"): ("halve", "fail", "fail"),
    (Outcome.MEMORY_WATCH, "memory_watch"): ("halve", "fail", "fail"),
    (Outcome.MEMORY_WATCH, MACHINE_FULL): ("halve", "retry", "fail"),
    (Outcome.OOM_KILLED, "oom_killed"): ("halve", "retry", "fail"),
    (Outcome.TIMED_OUT, "timed_out"): ("halve", "retry", "fail"),
    (Outcome.CRASHED, "crashed"): ("retry", "retry", "fail"),
    (Outcome.CANCELLED, "cancelled"): ("retry", "retry", "fail"),
}


@pytest.mark.parametrize(("cause", "expected"), TABLE.items(), ids="-".join)
def test_what_follows(cause: tuple[Outcome, str], expected: tuple[str, str, str]) -> None:
    outcome, code = cause
    rows, whole, last = expected
    assert follows(ROWS, outcome, code=code).action == rows
    for chunk, loading in ((ROW, False), (ROWS, True), (OPEN, False)):
        assert follows(chunk, outcome, code=code, loading=loading).action == whole
        last_try = msgspec.structs.replace(chunk, attempts=2)
        after = follows(last_try, outcome, code=code, loading=loading)
        assert (after.action, after.counts) == (last, "attempts")
        assert follows(last_try, outcome, code=code, loading=loading, max_attempts=4).action == whole


def test_the_table_names_every_outcome_that_counts_as_an_attempt() -> None:
    losses = {Outcome.SUCCEEDED, Outcome.SUPERVISOR_LOST}
    assert {outcome for outcome, _ in TABLE} == set(Outcome) - losses
    assert set(CAUSES) - set(TABLE) == {(Outcome.CRASHED, PARENT_LOST)}


@pytest.mark.parametrize("outcome", [Outcome.MEMORY_CAP, Outcome.MEMORY_WATCH, Outcome.OOM_KILLED])
def test_rows_that_ran_out_of_memory_are_halved_over_the_same_bytes(outcome: Outcome) -> None:
    after = follows(ROWS, outcome)
    assert (after.action, after.counts) == ("halve", "attempts")
    assert [(chunk.id, chunk.span_first, chunk.start, chunk.end) for chunk in after.chunks] == [
        ("0-4", 0, 0, 100),
        ("5-9", 0, 0, 100),
    ]


@pytest.mark.parametrize(("chunk", "loading"), [(ROW, False), (ROWS, True), (OPEN, False)])
def test_what_cannot_be_halved_fails_by_its_cause(chunk: Chunk, loading: bool) -> None:
    after = follows(chunk, Outcome.MEMORY_CAP, loading=loading)
    assert (after.action, after.error.code) == ("fail", "memory_cap")
    assert after.error.detail["at"] == ("loading the model" if loading else f"chunk {chunk.id}")


TRIED = Chunk(id="0-9", kind="rows", first=0, last=9, attempts=1, crashes=2)


@pytest.mark.parametrize(
    ("outcome", "attempts"),
    [
        (Outcome.MEMORY_CAP, 0),  # half the rows are another question
        (Outcome.MEMORY_WATCH, 0),
        (Outcome.OOM_KILLED, 0),
        (Outcome.TIMED_OUT, 2),  # half of something that hangs may hang as well
    ],
)
def test_halves_begin_afresh_or_remember(outcome: Outcome, attempts: int) -> None:
    after = follows(TRIED, outcome)
    assert [(chunk.attempts, chunk.crashes) for chunk in after.chunks] == [(attempts, 2)] * 2


def test_out_of_memory_at_the_last_attempt_halves_and_a_timeout_does_not() -> None:
    last = msgspec.structs.replace(ROWS, attempts=2)
    assert follows(last, Outcome.OOM_KILLED).action == "halve"
    assert follows(last, Outcome.TIMED_OUT).action == "fail"


def test_two_rows_are_several() -> None:
    two = Chunk(id="4-5", kind="rows", first=4, last=5)
    assert [chunk.id for chunk in follows(two, Outcome.MEMORY_CAP).chunks] == ["4-4", "5-5"]


def test_under_a_narrow_cap_the_same_rows_are_tried_with_a_whole_one() -> None:
    for chunk in (ROWS, ROW, OPEN):
        after = follows(chunk, Outcome.MEMORY_CAP, narrow=True)
        assert (after.action, after.counts) == ("retry", "attempts")
    last = msgspec.structs.replace(ROW, attempts=2)
    assert follows(last, Outcome.MEMORY_CAP, narrow=True).action == "fail"
    last = msgspec.structs.replace(ROWS, attempts=2)
    assert follows(last, Outcome.MEMORY_CAP, narrow=True).action == "halve"


def test_a_failure_carries_its_evidence_and_a_refusal_what_was_said() -> None:
    verdict = Verdict(outcome=Outcome.CRASHED, code="crashed", message="It died.")
    detail = {"row": 3}
    after = decide(ROW, verdict, Evidence(signal="SIGSEGV"), max_attempts=1, detail=detail)
    assert after.error
    assert after.error.code == "crashed"
    assert after.error.message.startswith("It died. It was explaining row 4. ")
    assert after.error.detail == {
        "row": 3,
        "at": "chunk 4-4",
        "attempts": 1,
        "evidence": {"signal": "SIGSEGV"},
    }
    refusal = Verdict(outcome=Outcome.REFUSED, code="not_numeric", message="")
    after = decide(ROW, refusal, Evidence(signal="SIGSEGV"), max_attempts=1, detail=detail)
    assert after.error
    assert after.error.detail == detail


def test_losing_the_supervisor_is_counted_apart_and_a_shutdown_not_at_all() -> None:
    assert follows(ROWS, Outcome.SUPERVISOR_LOST).counts == "crashes"
    assert follows(ROWS, Outcome.CRASHED, code=PARENT_LOST).counts == "crashes"
    spent = msgspec.structs.replace(ROWS, attempts=9, crashes=99)
    assert follows(ROWS, Outcome.SUPERVISOR_LOST, draining=True).counts == ""
    assert follows(spent, Outcome.SUPERVISOR_LOST, draining=True).action == "retry"
    assert follows(msgspec.structs.replace(ROWS, attempts=9), Outcome.SUPERVISOR_LOST).action == "retry"
    crashed = Chunk(id="0-9", kind="rows", first=0, last=9, crashes=MAX_CRASHES - 1)
    after = follows(crashed, Outcome.SUPERVISOR_LOST)
    assert (after.action, after.counts, after.error.detail["at"]) == ("fail", "crashes", "chunk 0-9")
    crashed.crashes = MAX_CRASHES - 2
    assert follows(crashed, Outcome.SUPERVISOR_LOST).action == "retry"
    crashed.crashes = MAX_CRASHES - 1
    assert (follows(crashed, Outcome.SUPERVISOR_LOST, max_attempts=MAX_CRASHES + 1).action) == "retry"


def test_a_refusal_is_final() -> None:
    assert follows(ROWS, Outcome.REFUSED, code="not_numeric").error.code == "not_numeric"
