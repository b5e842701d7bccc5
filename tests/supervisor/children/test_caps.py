"""How large a cap is and what room is needed: numbers in, numbers out."""

import pytest

from jobs.errors import NoRoomForLibraries
from jobs.settings import MIB
from supervisor.children import caps
from supervisor.children.caps import SPARED_S, Libraries, NarrowCaps, are_spared, cap_bytes, need_bytes
from supervisor.children.limits import Limit
from supervisor.children.memory import SMALLEST_CAP_BYTES, Plan

SMALLEST = SMALLEST_CAP_BYTES // MIB


def plan(budget_mb: int, cap_mb: int) -> Plan:
    return Plan(
        limit=Limit(1024 * MIB, "a test"),
        others_bytes=0,
        supervisor_bytes=0,
        forkserver_bytes=0,
        reserve_bytes=0,
        budget_bytes=budget_mb * MIB,
        slots=1,
        cap_bytes=cap_mb * MIB,
    )


def libraries(expected_mb: int, held_mb: int | None = None) -> Libraries:
    return Libraries(expected_mb * MIB, None if held_mb is None else held_mb * MIB)


@pytest.mark.parametrize(
    ("budget", "cap", "beside", "expected"),
    [
        (400, 140, libraries(260), 140),  # there are none: what they would take is nobody's
        (400, 140, libraries(260, 260), 140),  # beside them there is room for a whole one
        (399, 140, libraries(260, 260), 139),
        (300, 140, libraries(150, 200), 100),  # they hold more than they take now
        (300, 140, libraries(200, 150), 100),  # they take more than they hold
        (260 + SMALLEST, 140, libraries(260, 260), SMALLEST),
        (259 + SMALLEST, 140, libraries(260, 260), 140),  # too narrow to be of use: they must go
        (260 + 16, 16, libraries(260, 260), 16),  # the operator's cap is smaller than the smallest
    ],
)
def test_a_lean_cap_is_narrow_beside_the_libraries(budget: int, cap: int, beside: Libraries, expected: int) -> None:
    assert cap_bytes(plan(budget, cap), beside, "lean") == expected * MIB


def test_who_has_outgrown_a_narrow_cap_gets_a_whole_one() -> None:
    assert cap_bytes(plan(399, 140), libraries(260, 260), "lean", whole=True) == 140 * MIB


@pytest.mark.parametrize(
    ("budget", "cap", "beside", "expected"),
    [
        (500, 140, libraries(260), 140),
        (399, 140, libraries(260), 139),
        (399, 140, libraries(260, 260), 139),
        (260 + SMALLEST, 140, libraries(260), SMALLEST),
        (260 + 16, 16, libraries(260), 16),
    ],
)
def test_a_full_cap_is_what_the_libraries_leave(budget: int, cap: int, beside: Libraries, expected: int) -> None:
    for whole in (False, True):
        assert cap_bytes(plan(budget, cap), beside, "full", whole=whole) == expected * MIB


@pytest.mark.parametrize(
    ("budget", "cap", "left"), [(259 + SMALLEST, 140, SMALLEST - 1), (260 + 15, 16, 15), (250, 140, 0)]
)
def test_without_room_for_the_libraries_it_says_how_much_there_is(budget: int, cap: int, left: int) -> None:
    with pytest.raises(NoRoomForLibraries, match="take 260 MB of it") as caught:
        cap_bytes(plan(budget, cap), libraries(260), "full")
    assert f"{left} MB" in caught.value.message


def test_the_libraries_are_paid_for_by_who_brings_them() -> None:
    assert need_bytes(libraries(260), "full", 7) == 260 * MIB + 7
    assert need_bytes(libraries(260, 260), "full", 7) == 7
    assert need_bytes(libraries(260), "lean", 7) == 7


@pytest.mark.parametrize(
    ("budget", "idle_s", "spared"),
    [
        (400, 0.0, True),
        (399, 0.0, False),  # a lean child does not fit beside them
        (400, SPARED_S - 0.1, True),
        (400, SPARED_S, False),
    ],
)
def test_idle_libraries_are_spared_for_a_while_by_who_fits_beside_them(
    budget: int, idle_s: float, spared: bool
) -> None:
    assert are_spared(plan(budget, 140), libraries(150, 260), 140 * MIB, idle_s) is spared


def test_only_who_ran_out_under_a_narrow_cap_gets_another_one_and_only_once() -> None:
    narrow = NarrowCaps()
    assert not narrow.widen("unknown")
    narrow.note("a", narrow=True)
    assert not narrow.outgrown("a")
    assert narrow.widen("a")
    assert narrow.outgrown("a")
    assert not narrow.widen("a")
    narrow.note("b", narrow=True)
    narrow.note("b", narrow=False)
    assert not narrow.widen("b")
    assert not narrow.outgrown(None)


def test_templates_that_are_gone_are_forgotten_and_what_they_outgrew_is_not() -> None:
    narrow = NarrowCaps()
    for key in ("a", "b", "c"):
        narrow.note(key, narrow=True)
    assert narrow.widen("a")
    narrow.forget_all_but({"c"})
    assert not narrow.widen("b")
    assert narrow.widen("c")
    assert narrow.outgrown("a")


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caps, "MOST_REMEMBERED", 2)
    narrow = NarrowCaps()
    for key in ("a", "b", "c"):
        narrow.note(key, narrow=True)
        assert narrow.widen(key)
        assert narrow.outgrown(key)
        assert narrow.outgrown("a") is (key != "c")
