"""Lean or full: what is remembered of a model that the lean stack could not load."""

import pytest

from supervisor.children import stack_choice
from supervisor.children.stack_choice import StackChoice


def no_arrays() -> bool:
    return False


def arrays() -> bool:
    return True


def not_asked() -> bool:
    raise AssertionError


def test_everybody_begins_lean() -> None:
    assert StackChoice().stack("a", not_asked) == "lean"


def test_what_lean_cannot_read_is_full_until_there_are_arrays() -> None:
    choice = StackChoice()
    choice.unsuited("a", given_arrays=False)
    assert choice.stack("a", no_arrays) == "full"
    assert choice.stack("a", arrays) == "lean"
    assert choice.stack("b", not_asked) == "lean"


def test_what_not_even_arrays_made_lean_is_full() -> None:
    choice = StackChoice()
    choice.unsuited("a", given_arrays=True)
    assert choice.stack("a", not_asked) == "full"


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_choice, "MOST_REMEMBERED", 2)
    choice = StackChoice()
    for key in ("a", "b", "c"):
        choice.unsuited(key, given_arrays=True)
    assert [choice.stack(key, not_asked) for key in ("a", "b", "c")] == ["lean", "full", "full"]
