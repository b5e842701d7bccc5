"""When the list of our name may be adopted: at once after a death on this machine, not while its owner is alive."""

import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from supervisor.chunks.predecessor import SILENT_S, Predecessor

HOST = socket.gethostname()


@pytest.fixture(scope="module")
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def snapshot(incarnation: str, pid: int, *, host: str = HOST, sent_at: float = 1.0) -> dict[str, Any]:
    return {"incarnation": incarnation, "pid": pid, "host": host, "sent_at": sent_at}


def test_nobody_was_there() -> None:
    predecessor = Predecessor("ours")
    predecessor.heard(None, 0.0)
    predecessor.heard(snapshot("ours", os.getpid()), 1.0)
    assert (predecessor.gone_in(1.0), predecessor.name_conflict) == (0.0, None)


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1, 1], ids=["ours", "nobody", "first"])
def test_a_restart_on_the_same_machine_adopts_at_once(pid: int) -> None:
    """Its process is gone; or, after a restart of a container, its number is another's, who came later."""
    predecessor = Predecessor("ours")
    predecessor.heard(snapshot("theirs", pid, sent_at=0.0), 0.0)
    assert predecessor.gone_in(0.0) == 0.0


def test_what_a_dead_one_left_is_no_name_conflict(dead_pid: int) -> None:
    """It is seen twice: when we ask, and when our first heartbeat takes its place."""
    predecessor = Predecessor("ours")
    for now in (0.0, 1.0):
        predecessor.heard(snapshot("theirs", dead_pid), now)
        assert (predecessor.gone_in(now), predecessor.name_conflict) == (0.0, None)


def test_one_elsewhere_is_waited_for_from_the_first_look(dead_pid: int) -> None:
    predecessor = Predecessor("ours")
    predecessor.heard(snapshot("theirs", dead_pid, host="elsewhere"), 0.0)
    assert predecessor.gone_in(0.0) == SILENT_S
    predecessor.heard(snapshot("theirs", dead_pid, host="elsewhere"), 1.0)  # the same snapshot, not a new heartbeat
    assert (predecessor.gone_in(SILENT_S), predecessor.name_conflict) == (0.0, None)


def test_one_elsewhere_is_taken_for_gone_when_it_is_silent() -> None:
    predecessor = Predecessor("ours")
    predecessor.heard(snapshot("theirs", 1, host="elsewhere"), 0.0)
    predecessor.heard(snapshot("ours", os.getpid()), 1.0)
    assert predecessor.gone_in(1.0) == SILENT_S - 1.0
    assert predecessor.gone_in(SILENT_S) == 0.0
    assert predecessor.name_conflict is None


def test_one_that_comes_later_is_named_and_never_robbed() -> None:
    predecessor = Predecessor("ours")
    predecessor.heard(None, 0.0)
    predecessor.heard(snapshot("theirs", 1, host="elsewhere"), 5.0)
    assert predecessor.name_conflict == "elsewhere:1"
    assert predecessor.gone_in(6.0) == SILENT_S - 1.0


def test_one_that_sends_again_lives_and_is_named() -> None:
    predecessor = Predecessor("ours")
    predecessor.heard(snapshot("theirs", 1, host="elsewhere"), 0.0)
    predecessor.heard(snapshot("theirs", 1, host="elsewhere", sent_at=2.0), 2.0)
    assert predecessor.gone_in(2.0) == SILENT_S
    assert predecessor.name_conflict == "elsewhere:1"


def test_one_of_a_version_before_is_waited_for_too() -> None:
    """Its snapshot has no `incarnation`: it called that `life`."""
    predecessor = Predecessor("ours")
    before = {"life": "theirs", "pid": 1, "host": "elsewhere", "sent_at": 1.0}
    predecessor.heard(before, 0.0)
    predecessor.heard(before, 1.0)
    assert (predecessor.gone_in(1.0), predecessor.name_conflict) == (SILENT_S - 1.0, None)
    predecessor.heard({**before, "sent_at": 2.0}, 2.0)
    assert predecessor.name_conflict == "elsewhere:1"


@pytest.mark.parametrize("sent_at", [None, "now"])
def test_of_one_that_says_no_time_nobody_knows_whether_it_is_dead(sent_at: Any) -> None:
    predecessor = Predecessor("ours")
    predecessor.heard(snapshot("theirs", os.getppid(), sent_at=sent_at), 0.0)
    assert predecessor.gone_in(0.0) == SILENT_S
    without_time = snapshot("others", os.getppid())
    del without_time["sent_at"]
    predecessor = Predecessor("ours")
    predecessor.heard(without_time, 0.0)
    assert predecessor.gone_in(0.0) == SILENT_S
