"""How soon the watch looks again. What it does with what it sees: see `test_memory_outcomes`, with real children."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import psutil
import pytest

from jobs.outcomes import Outcome
from jobs.settings import MIB
from supervisor.children import watch as watching
from supervisor.children.budget import Budget
from supervisor.children.fork_protocol import Warm
from supervisor.children.limits import Limit
from supervisor.children.usage import PAGE_BYTES, Shares, Usage
from supervisor.children.watch import (
    CLOSE_LOOK_S,
    CLOSE_LOOK_SHARE,
    FASTEST_BYTES_S,
    LONGEST_PAUSE_S,
    SHORTEST_PAUSE_S,
    Companion,
    Sample,
    Watch,
)

pytestmark = pytest.mark.anyio
CAP = 128 * MIB
WARM = Warm(pid=1, rss_bytes=0, anon_bytes=0, vm_size_bytes=0)


class Played:
    """In the place of a child."""

    def __init__(self, pid: int | None = None) -> None:
        self.pid = pid
        self.gone = False
        self.exited = SimpleNamespace(done=lambda: self.gone)
        self.killed_as: Outcome | None = None
        self.killed: list[Outcome] = []

    def kill(self, reason: Outcome) -> None:
        self.killed.append(reason)


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
    grown(watch, CAP - 64 * MIB)
    assert watch.pause_s == 64 * MIB / FASTEST_BYTES_S


def test_room_enough_is_no_hurry(watch: Watch) -> None:
    grown(watch, 0, cap=4096 * MIB)
    assert watch.pause_s == LONGEST_PAUSE_S


def test_at_its_cap_and_beyond_it_pauses_nevertheless(watch: Watch) -> None:
    grown(watch, CAP + MIB)
    assert watch.pause_s == SHORTEST_PAUSE_S


def test_a_template_at_rest_is_no_hurry(watch: Watch) -> None:
    watch.rest(grown(watch, CAP - MIB))
    assert watch.pause_s == LONGEST_PAUSE_S


async def test_who_comes_with_little_room_is_not_left_alone_for_long(watch: Watch) -> None:
    """As a template's child does that may write to all it has inherited."""
    pausing = asyncio.create_task(watch.pause())
    await asyncio.sleep(0)
    started = time.monotonic()
    watch.add(cast("Any", Played()), WARM, CAP, inherited_bytes=CAP - MIB)
    await pausing
    assert time.monotonic() - started < LONGEST_PAUSE_S / 2


async def test_who_comes_with_much_room_changes_nothing(watch: Watch) -> None:
    pausing = asyncio.create_task(watch.pause())
    await asyncio.sleep(0)
    started = time.monotonic()
    watch.add(cast("Any", Played()), WARM, 4096 * MIB)
    await pausing
    assert time.monotonic() - started > LONGEST_PAUSE_S * 0.9


@pytest.fixture
def busy() -> Iterator[psutil.Popen]:
    """A process that leads a group, and never rests."""
    code = "print(flush=True)\nwhile True: pass"
    with psutil.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("cap", "still"), [(MIB, True), (64 * MIB, False)])
async def test_who_may_be_over_its_cap_stands_still_while_it_is_looked_at(
    watch: Watch, busy: psutil.Popen, monkeypatch: pytest.MonkeyPatch, cap: int, still: bool
) -> None:
    seen = []

    def stopped(*, expected: bool) -> bool:
        """Signals take their time."""
        deadline = time.monotonic() + (5 if still else 0.2)
        while (found := busy.status() == psutil.STATUS_STOPPED) is not expected and time.monotonic() < deadline:
            pass
        return found

    def shares(pid: int) -> Shares:
        if pid == busy.pid:
            seen.append(stopped(expected=True))
        return Shares(0, 0)

    monkeypatch.setattr(watching, "shares", shares)
    child: Any = Played(busy.pid)
    watch.add(child, WARM, cap)
    watch.look()
    assert seen == [still]
    assert not stopped(expected=False), "it goes on"


class World:
    """What the system tells of a child (its pid is CHILD) and of what it has started; everything in bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.usage = {CHILD: Usage(rss_bytes=9 * MIB, vm_size_bytes=99 * MIB, anon_bytes=0)}
        self.shares: dict[int, Shares] = {}
        self.companions: list[int] = []
        self.looked: list[int] = []
        monkeypatch.setattr(watching, "usage", self.usage.get)
        monkeypatch.setattr(watching, "shares", self.look)
        monkeypatch.setattr(watching, "companions", lambda _: self.companions)
        monkeypatch.setattr(watching, "signal_group", lambda *_: None)

    def look(self, pid: int) -> Shares | None:
        self.looked.append(pid)
        return self.shares.get(pid, Shares(0, 0))

    def is_seen(self, pid: int, anon: int = 0, faults: int = 0) -> None:
        self.usage[pid] = Usage(rss_bytes=9 * MIB, vm_size_bytes=99 * MIB, anon_bytes=anon, faults=faults)


CHILD, COMPANION = 2_000_001, 2_000_002
MUCH = int(CAP * CLOSE_LOOK_SHARE) // PAGE_BYTES
"""Pages: what may be written to unseen."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.fixture
def child() -> Any:
    return Played(CHILD)


def looked_at(watch: Watch, world: World, child: Any, **inherited: int) -> Sample:
    """Watched, and looked at closely once."""
    sample = watch.add(child, WARM, CAP, **inherited)
    sample.looked_closely_at -= CLOSE_LOOK_S
    watch.look()
    world.looked.clear()
    return sample


async def test_one_that_has_just_begun_is_not_looked_at_closely(watch: Watch, world: World, child: Any) -> None:
    """Most are gone before they are due; until then their share is taken to be what they have added."""
    sample = watch.add(child, WARM, CAP)
    world.is_seen(CHILD, anon=3 * MIB, faults=MUCH // 2)
    watch.look()
    assert CHILD not in world.looked
    assert (sample.pss_bytes, watch.family_bytes) == (3 * MIB, 3 * MIB)
    world.is_seen(CHILD, anon=3 * MIB, faults=MUCH + 1)
    world.shares = {CHILD: Shares(2 * MIB, 2 * MIB)}
    watch.look()
    assert sample.pss_bytes == 2 * MIB


async def test_nothing_new_is_no_reason_to_look_closely(watch: Watch, world: World, child: Any) -> None:
    world.companions = [COMPANION]
    world.is_seen(COMPANION)
    looked_at(watch, world, child)
    watch.look()
    assert world.looked == []


@pytest.mark.parametrize("who", [CHILD, COMPANION])
@pytest.mark.parametrize(("pages", "expected"), [(MUCH, False), (MUCH + 1, True)])
async def test_what_may_have_been_written_to_brings_the_next_close_look_forward(
    watch: Watch, world: World, who: int, pages: int, expected: bool
) -> None:
    """By the child itself, or by one that it has started."""
    child = Played(CHILD)
    world.companions = [COMPANION]
    world.is_seen(COMPANION)
    looked_at(watch, world, child)
    world.is_seen(who, faults=pages)
    watch.look()
    assert (CHILD in world.looked) is expected
    assert (COMPANION in world.looked) is expected


async def test_once_in_a_while_it_looks_closely_without_a_reason(watch: Watch, world: World, child: Any) -> None:
    sample = looked_at(watch, world, child)
    sample.looked_closely_at -= CLOSE_LOOK_S
    watch.look()
    assert CHILD in world.looked


async def test_growth_is_new_memory_and_copies_and_what_companions_have(watch: Watch, world: World, child: Any) -> None:
    world.companions = [COMPANION]
    world.is_seen(COMPANION)
    sample = looked_at(watch, world, child, inherited_bytes=10 * MIB)
    world.is_seen(CHILD, anon=30 * MIB, faults=MUCH + 1)
    world.shares = {CHILD: Shares(25 * MIB, 28 * MIB), COMPANION: Shares(5 * MIB, 4 * MIB)}
    watch.look()
    assert sample.copied_bytes == (10 + 28 - 30) * MIB
    assert sample.growth_bytes == (30 + 8 + 4) * MIB
    assert (sample.rss_bytes, sample.vm_size_bytes, sample.pss_bytes) == (9 * MIB, 99 * MIB, 25 * MIB)
    assert sample.vm_peak_bytes == 99 * MIB
    world.is_seen(COMPANION, faults=2)
    watch.look()
    assert sample.growth_bytes == 42 * MIB + 2 * PAGE_BYTES, "at most"
    world.companions = []
    watch.look()
    assert (sample.growth_bytes, sample.peak_growth_bytes) == (38 * MIB, 42 * MIB + 2 * PAGE_BYTES)


@pytest.mark.parametrize(("anon", "killed"), [(CAP, []), (CAP + 1, [Outcome.MEMORY_WATCH])])
async def test_who_is_past_its_cap_is_killed(
    watch: Watch, world: World, child: Any, anon: int, killed: list[Outcome]
) -> None:
    looked_at(watch, world, child)
    world.is_seen(CHILD, anon=anon)
    watch.look()
    assert child.killed == killed
    child.killed_as = Outcome.TIMED_OUT
    watch.look()
    assert child.killed == killed, "not again"


async def test_a_child_with_less_than_it_began_with_has_grown_by_nothing(watch: Watch, child: Any) -> None:
    sample = watch.add(child, WARM, CAP)
    sample.base_anon_bytes = 5 * MIB
    seen = Usage(rss_bytes=9 * MIB, vm_size_bytes=99 * MIB, anon_bytes=4 * MIB)
    assert watching._added(sample, seen) == 0


async def test_who_is_gone_is_forgotten(watch: Watch, world: World, child: Any) -> None:
    looked_at(watch, world, child)
    child.gone = True
    watch.look()
    assert watch.samples == {}
    assert watch.of(child) == Sample()


def limited(in_use: list[int], limit: int = 1000) -> Watch:
    """A machine that says how much of it is in use."""
    found: Any = SimpleNamespace(limit_bytes=limit, in_use=lambda: in_use[0])
    return Watch(found, Budget(limit), [])


@pytest.mark.parametrize(
    ("in_use", "held", "killed"), [(920, False, 0), (921, True, 0), (970, True, 0), (971, True, 1)]
)
async def test_a_machine_that_fills_starts_nothing_new_and_then_loses_the_largest(
    world: World, child: Any, in_use: int, held: bool, killed: int
) -> None:
    watch = limited([in_use])
    small: Any = Played()
    watch.add(small, WARM, CAP, inherited_bytes=1)
    sample = looked_at(watch, world, child)
    sample.growth_bytes = 2
    watch._look_at_machine()
    assert watch._budget.held is held
    assert watch.in_use_bytes == in_use
    assert len(small.killed) == killed, "the larger one, at the first look"


async def test_the_largest_goes_and_nobody_else_until_it_is_gone(child: Any) -> None:
    watch = limited([999])
    others = []
    for size in (1, 3, 2):
        other: Any = Played()
        watch.add(other, WARM, CAP, inherited_bytes=size)
        others.append(other)
    watch.look()
    assert [len(other.killed) for other in others] == [0, 1, 0]
    assert [watch.of(other).machine_full for other in others] == [False, True, False]
    others[1].killed_as = Outcome.MEMORY_WATCH
    watch.look()
    assert sum(len(other.killed) for other in others) == 1


async def test_on_a_full_machine_without_children_nobody_is_killed() -> None:
    Watch(Limit(1, "a machine that anything fills"), Budget(1024 * MIB), []).look()


def test_before_the_first_look_nothing_has_been_seen() -> None:
    sizes = {field: size for field, size in msgspec.structs.asdict(Sample()).items() if field.endswith("_bytes")}
    assert set(sizes.values()) == {0}
    assert (Sample().faults, Companion().faults, Companion().written_bytes, Companion().growth_bytes) == (0, 0, 0, 0)
