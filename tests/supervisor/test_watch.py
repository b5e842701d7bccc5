"""How soon the watch looks again. What it does with what it sees: see `test_verdicts`, with real children."""

from typing import Any

import pytest

from jobs.settings import MIB
from supervisor.budget import Budget
from supervisor.forks import Warm
from supervisor.limits import Limit
from supervisor.watch import FASTEST_BYTES_S, LONGEST_PAUSE_S, SHORTEST_PAUSE_S, Watch

CAP = 128 * MIB
WARM = Warm(pid=1, rss_bytes=0, anon_bytes=0, vm_size_bytes=0)


@pytest.fixture
def watch() -> Watch:
    return Watch(Limit(1024 * MIB, "a test"), Budget(1024 * MIB), [])


def grown(watch: Watch, size: int, cap: int = CAP) -> Any:
    child: Any = object()
    watch.add(child, WARM, cap).growth_bytes = size
    return child


def test_with_nobody_there_it_takes_its_time(watch: Watch) -> None:
    assert watch.pause_s == LONGEST_PAUSE_S


def test_it_looks_before_anyone_can_have_filled_what_is_left(watch: Watch) -> None:
    grown(watch, CAP // 4)
    grown(watch, CAP - 16 * MIB)
    assert watch.pause_s == 16 * MIB / FASTEST_BYTES_S


def test_room_enough_is_no_hurry(watch: Watch) -> None:
    grown(watch, 0, cap=1024 * MIB)
    assert watch.pause_s == LONGEST_PAUSE_S


def test_at_its_cap_and_beyond_it_pauses_nevertheless(watch: Watch) -> None:
    grown(watch, CAP + MIB)
    assert watch.pause_s == SHORTEST_PAUSE_S


def test_a_template_at_rest_is_no_hurry(watch: Watch) -> None:
    watch.rest(grown(watch, CAP - MIB))
    assert watch.pause_s == LONGEST_PAUSE_S
