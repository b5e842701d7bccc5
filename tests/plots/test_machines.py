"""Charts for operators: what they show of what is known, and that they say so where nothing is."""

import json

import pytest

from plots.explained import Unavailable
from plots.machines import KINDS, MIB, Child, Machines, Point, Took
from tests.plots.test_kinds import marks

KNOWN = Machines(
    budget_bytes=500 * MIB,
    history=[
        Point(
            at_ms=1000 * second, supervisor="a", in_use_bytes=second * MIB, reserved_bytes=9 * MIB, waiting_jobs=second
        )
        for second in range(5)
    ],
    children=[
        Child(pid=7, growth_bytes=20 * MIB, cap_bytes=64 * MIB),
        Child(pid=8, growth_bytes=60 * MIB, cap_bytes=64),
    ],
    outcomes={"succeeded": 40, "memory_cap": 2, "crashed": 0},
    attempts=[Took(outcome="memory_cap", seconds=1.5), Took(outcome="timed_out", seconds=60.0)],
)


@pytest.mark.parametrize("kind", KINDS)
def test_each_says_what_it_shows(kind: str) -> None:
    chart = KINDS[kind](KNOWN)
    json.dumps(chart, allow_nan=False)
    assert len(chart["description"]) > 30
    assert marks(chart)
    with pytest.raises(Unavailable, match="nothing is known"):
        KINDS[kind](Machines())


def test_numbers() -> None:
    assert "at most 4 MiB in use, of a budget of 500 MiB" in KINDS["memory"](KNOWN)["description"]
    assert [mark["value"] for mark in marks(KINDS["children"](KNOWN))] == [60, 20], "the largest first"
    assert [mark["value"] for mark in marks(KINDS["queue"](KNOWN))] == [0, 1, 2, 3, 4]
    assert [mark["label"] for mark in marks(KINDS["outcomes"](KNOWN))] == ["succeeded", "memory_cap"]
    assert "the longest took 60" in KINDS["durations"](KNOWN)["description"]
