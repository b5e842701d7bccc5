"""From an outcome to what follows: pure, so played by the table."""

from typing import Any

import pytest

from jobs.outcomes import Evidence, Outcome
from jobs.records import OPEN, Chunk
from supervisor.chunks.decide import MAX_CRASHES, decide
from supervisor.chunks.judge import MACHINE_FULL, Verdict

ROWS = Chunk(id="0-9", kind="rows", first=0, last=9, span_first=0, start=0, end=100)
ROW = Chunk(id="4-4", kind="rows", first=4, last=4, span_first=0, start=0, end=100)


def follows(chunk: Chunk, outcome: Outcome, *, max_attempts: int = 3, **circumstances: Any) -> Any:
    verdict = Verdict(outcome=outcome, code=circumstances.pop("code", outcome.value), message="")
    return decide(chunk, verdict, Evidence(), max_attempts=max_attempts, detail={}, **circumstances)


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


@pytest.mark.parametrize(("chunk", "loading"), [(ROW, False), (ROWS, True), (OPEN, False)])
def test_who_was_killed_for_being_the_largest_gets_another_try(chunk: Chunk, loading: bool) -> None:
    assert follows(chunk, Outcome.MEMORY_WATCH, code=MACHINE_FULL, loading=loading).action == "retry"
    assert follows(chunk, Outcome.MEMORY_WATCH, loading=loading).action == "fail"
    assert follows(ROWS, Outcome.MEMORY_WATCH, code=MACHINE_FULL).action == "halve"


def test_a_kill_by_the_kernel_may_have_been_a_neighbours_fault() -> None:
    assert follows(ROW, Outcome.OOM_KILLED).action == "retry"


@pytest.mark.parametrize("outcome", [Outcome.RAISED, Outcome.CRASHED, Outcome.OOM_KILLED])
def test_a_poison_chunk_ends_after_its_last_attempt(outcome: Outcome) -> None:
    row = Chunk(id="4-4", kind="rows", first=4, last=4)
    assert follows(row, outcome).action == "retry"
    row.attempts = 2
    assert (follows(row, outcome).action, follows(row, outcome).counts) == ("fail", "attempts")


def test_a_timeout_halves_and_remembers() -> None:
    after = follows(ROWS, Outcome.TIMED_OUT)
    assert [chunk.attempts for chunk in after.chunks] == [1, 1]


def test_losing_the_supervisor_is_counted_apart_and_a_shutdown_not_at_all() -> None:
    assert follows(ROWS, Outcome.SUPERVISOR_LOST).counts == "crashes"
    assert follows(ROWS, Outcome.CRASHED, code="parent_lost").counts == "crashes"
    assert follows(ROWS, Outcome.SUPERVISOR_LOST, draining=True).counts == ""
    crashed = Chunk(id="0-9", kind="rows", first=0, last=9, crashes=MAX_CRASHES - 1)
    assert (follows(crashed, Outcome.SUPERVISOR_LOST).action) == "fail"
    assert (follows(crashed, Outcome.SUPERVISOR_LOST, max_attempts=MAX_CRASHES + 1).action) == "retry"


def test_a_refusal_is_final() -> None:
    assert follows(ROWS, Outcome.REFUSED, code="not_numeric").error.code == "not_numeric"
