"""When the list of our name may be adopted: at once after a death on this machine, not while a twin lives."""

import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from supervisor.chunks.holding import TWIN_S, Predecessor

HOST = socket.gethostname()


@pytest.fixture(scope="module")
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def snapshot(life: str, pid: int, *, host: str = HOST, sent_at: float = 1.0) -> dict[str, Any]:
    return {"life": life, "pid": pid, "host": host, "sent_at": sent_at}


def test_nobody_was_there() -> None:
    predecessor = Predecessor("ours")
    predecessor.heard(None, 0.0)
    predecessor.heard(snapshot("ours", os.getpid()), 1.0)
    assert (predecessor.gone_in(1.0), predecessor.twin) == (0.0, None)


def test_what_a_dead_one_left_is_no_twin(dead_pid: int) -> None:
    """It is seen twice: when we ask, and when our first heartbeat takes its place."""
    predecessor = Predecessor("ours")
    for now in (0.0, 1.0):
        predecessor.heard(snapshot("theirs", dead_pid), now)
        assert (predecessor.gone_in(now), predecessor.twin) == (0.0, None)


def test_one_elsewhere_is_waited_for_from_the_first_look(dead_pid: int) -> None:
    predecessor = Predecessor("ours")
    predecessor.heard(snapshot("theirs", dead_pid, host="elsewhere"), 0.0)
    assert predecessor.gone_in(0.0) == TWIN_S
    predecessor.heard(snapshot("theirs", dead_pid, host="elsewhere"), 1.0)  # the same snapshot, not a new heartbeat
    assert (predecessor.gone_in(TWIN_S), predecessor.twin) == (0.0, None)


def test_one_that_sends_again_lives_and_is_named() -> None:
    predecessor = Predecessor("ours")
    predecessor.heard(snapshot("theirs", 1, host="elsewhere"), 0.0)
    predecessor.heard(snapshot("theirs", 1, host="elsewhere", sent_at=2.0), 2.0)
    assert predecessor.gone_in(2.0) == TWIN_S
    assert predecessor.twin == "elsewhere:1"
