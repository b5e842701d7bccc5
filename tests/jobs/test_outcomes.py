"""Every outcome has its row, in the code and in the documents."""

import re
from pathlib import Path

import pytest

from jobs.outcomes import CAUSES, DEATHS, MACHINE_FULL, MEMORY_OUTCOMES, OUTCOMES, Outcome, row_of

ROOT = Path(__file__).parents[2]


def test_every_outcome_has_a_row() -> None:
    assert list(OUTCOMES) == list(Outcome)


@pytest.mark.parametrize("document", ["docs/api.md", "docs/states.md"])
def test_every_outcome_is_told(document: str) -> None:
    told = re.findall(r"^\| `(\w+)` \|", (ROOT / document).read_text(), re.MULTILINE)
    assert set(Outcome) <= set(told)


def test_every_code_with_a_meaning_of_its_own_is_told() -> None:
    text = (ROOT / "docs/states.md").read_text()
    assert all(f"| `{outcome}`, code `{code}` |" in text for outcome, code in CAUSES)


def test_a_code_counts_under_its_outcome_only() -> None:
    """A child chooses the code of what it reports."""
    (crash, code), *_ = [cause for cause in CAUSES if cause[0] is Outcome.CRASHED]
    assert row_of(crash, code) is CAUSES[crash, code]
    assert row_of(Outcome.RAISED, code) is OUTCOMES[Outcome.RAISED]


def test_what_a_caller_that_waited_is_answered() -> None:
    statuses = {name: row.status for name, row in {**OUTCOMES, **CAUSES}.items()}
    assert {name: status for name, status in statuses.items() if status != 500} == {
        **dict.fromkeys([*MEMORY_OUTCOMES, (Outcome.MEMORY_WATCH, MACHINE_FULL)], 507),
        Outcome.TIMED_OUT: 504,
    }


def test_what_operators_count() -> None:
    assert {Outcome.MEMORY_CAP, Outcome.MEMORY_WATCH, Outcome.OOM_KILLED} == MEMORY_OUTCOMES
    assert {*MEMORY_OUTCOMES, Outcome.TIMED_OUT, Outcome.CRASHED} == DEATHS


def test_what_may_end_otherwise_another_time() -> None:
    never = {Outcome.SUCCEEDED, Outcome.REFUSED, Outcome.MEMORY_CAP, Outcome.MEMORY_WATCH}
    assert {outcome for outcome, row in OUTCOMES.items() if not row.retry} == never
    assert all(row.retry for row in CAUSES.values())


def test_what_is_halved_and_what_is_no_chunks_fault() -> None:
    assert {outcome: row.halve for outcome, row in OUTCOMES.items() if row.halve} == {
        **dict.fromkeys(MEMORY_OUTCOMES, "afresh"),
        Outcome.TIMED_OUT: "counting",
    }
    assert [outcome for outcome, row in OUTCOMES.items() if row.counts == "crashes"] == [Outcome.SUPERVISOR_LOST]
