"""Starting forkservers, again and again where they die: real processes."""

import asyncio
from collections.abc import Callable

import psutil
import pytest
import structlog

from jobs.protocol import Failed
from supervisor.children import stacks
from supervisor.children.sandbox import Policy
from supervisor.children.spawner import ForkserverLost
from supervisor.children.stacks import START_TRIES, Stack
from tests.processes import gone

pytestmark = pytest.mark.anyio
SCRIPTED = "tests.supervisor.scripted"
MIB = 1024 * 1024


async def test_a_start_is_tried_several_times() -> None:
    with structlog.testing.capture_logs() as logs, pytest.raises(ForkserverLost):
        await Stack("tests.supervisor.no_such_module", "lean", Policy()).begin()
    tries_left = [line["tries_left"] for line in logs if line["event"] == "forkserver_not_started"]
    assert tries_left == list(reversed(range(START_TRIES)))


async def test_one_that_takes_too_long_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "WARM_TIMEOUT_S", 0.0)
    monkeypatch.setattr(stacks, "RETRY_S", 0.0)
    stack = Stack(SCRIPTED, "lean", Policy())
    with structlog.testing.capture_logs() as logs:
        keeping = asyncio.create_task(stack.keep())
        try:
            await until(lambda: bool(logs), keeping)
            monkeypatch.setattr(stacks, "WARM_TIMEOUT_S", 60.0)
            await until(lambda: stack.forkserver is not None, keeping)
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
            await stack.down()
    assert logs[0] == {
        "event": "forkserver_not_started",
        "log_level": "warning",
        "stack": "lean",
        "reason": "TimeoutError",
    }
    assert keeping.cancelled()


async def test_nobody_who_has_left_the_group_outlives_a_forkserver_that_is_let_go() -> None:
    stack = Stack("tests.supervisor.children.runaway", "lean", Policy(mode="off"))
    forkserver = await stack.up()
    child, _ = await forkserver.spawner.fork("child", 0)
    word = await child.pipe.receive()
    assert isinstance(word, Failed)
    runaway = int(word.message)
    assert psutil.pid_exists(runaway)
    await stack.down()
    assert gone(runaway)
    child.close()


async def test_room_is_kept_for_libraries_before_they_are_measured() -> None:
    assert 200 * MIB < Stack(SCRIPTED, "full", Policy()).expected_bytes < 400 * MIB


async def test_one_that_is_let_go_has_seen_out_what_it_has_forked() -> None:
    """Otherwise what the next job is given would be memory that somebody still holds."""
    stack = Stack(SCRIPTED, "lean", Policy())
    forkserver = await stack.up()
    children = [(await forkserver.spawner.fork("child", 0))[0] for _ in range(20)]
    await stack.down()
    assert not [child.pid for child in children if child.pid and psutil.pid_exists(child.pid)]
    for child in children:
        child.close()


async def until(condition: Callable[[], bool], keeping: asyncio.Task[None]) -> None:
    async with asyncio.timeout(30):
        while not condition() and not keeping.done():  # noqa: ASYNC110 - a line of the log is no event
            await asyncio.sleep(0.01)
