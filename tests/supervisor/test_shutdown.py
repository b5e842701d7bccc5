"""Leaving in two steps: what each signal sets, and when the grace is over."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
import structlog

from supervisor.shutdown import Shutdown

pytestmark = pytest.mark.anyio


class Asked:
    """A shutdown, and how often it has aborted."""

    def __init__(self, grace_s: float = 60.0) -> None:
        self.aborted = 0
        self.shutdown = Shutdown(grace_s, running=lambda: 3, abort=self.abort)
        self.obeying = asyncio.create_task(self.shutdown.obey_signals())

    def abort(self) -> None:
        self.aborted += 1

    @property
    def state(self) -> tuple[bool, bool, int]:
        return self.shutdown.stopping.is_set(), self.shutdown.aborting.is_set(), self.aborted


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_nothing_happens_unasked() -> None:
    asked = Asked()
    await settle()
    assert asked.state == (False, False, 0)
    asked.obeying.cancel()


async def test_the_first_signal_drains_and_the_second_one_aborts() -> None:
    asked = Asked()
    with structlog.testing.capture_logs() as lines:
        asked.shutdown.signal(signal.SIGTERM)
        await settle()
    assert asked.state == (True, False, 0)
    assert lines == [{"event": "draining", "log_level": "info", "signal": "SIGTERM", "grace_s": 60.0, "running": 3}]
    asked.shutdown.signal(signal.SIGINT)
    await asked.obeying
    assert asked.state == (True, True, 1)


async def test_when_the_grace_is_over_it_aborts_by_itself() -> None:
    asked = Asked(grace_s=0.0)
    asked.shutdown.signal(signal.SIGTERM)
    await asked.obeying
    assert asked.state == (True, True, 1)


async def test_who_must_leave_at_once_takes_both_steps() -> None:
    asked = Asked()
    asked.shutdown.abort()
    assert asked.state == (True, True, 1)
    asked.obeying.cancel()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("handlers")
async def test_both_signals_are_handled(number: signal.Signals) -> None:
    asked = Asked()
    asked.shutdown.handle_signals()
    os.kill(os.getpid(), number)
    async with asyncio.timeout(10):
        await asked.shutdown.stopping.wait()
    asked.obeying.cancel()
