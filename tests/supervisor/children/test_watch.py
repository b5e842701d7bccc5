"""How soon the watch looks again. What it does with what it sees: see `test_memory_outcomes`, with real children."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

import psutil
import pytest

from jobs.settings import MIB
from supervisor.children import watch as watching
from supervisor.children.budget import Budget
from supervisor.children.fork_protocol import Warm
from supervisor.children.limits import Limit
from supervisor.children.usage import Shares
from supervisor.children.watch import FASTEST_BYTES_S, LONGEST_PAUSE_S, SHORTEST_PAUSE_S, Watch

pytestmark = pytest.mark.anyio
CAP = 128 * MIB
WARM = Warm(pid=1, rss_bytes=0, anon_bytes=0, vm_size_bytes=0)


class Played:
    """In the place of a child."""


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
@pytest.mark.parametrize(("cap", "still"), [(MIB, True), (1024 * MIB, False)])
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
    child: Any = Played()
    child.pid, child.exited, child.killed_as, child.kill = busy.pid, asyncio.Future(), None, lambda _: None
    watch.add(child, WARM, cap)
    watch.look()
    assert seen == [still]
    assert not stopped(expected=False), "it goes on"
