"""How a supervisor is told to leave, in two steps. Runs in the supervisor; signals only enqueue.

The first one stops the leasing, and what runs is waited for; the second one, or the end of the grace, aborts what
still runs: chunks are handed back without costing an attempt. Does not do either: see `leasing` and `daemon`.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Shutdown:
    """`abort` is called once, when the grace of so many seconds is over; `running` counts attempts, for the log."""

    def __init__(self, grace_s: float, *, running: Callable[[], int], abort: Callable[[], None]) -> None:
        self._grace_s = grace_s
        self._running = running
        self._abort = abort
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self.stopping = asyncio.Event()
        """No more leases."""
        self.aborting = asyncio.Event()
        """The grace is over."""

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT, from now on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.signal, number)

    def signal(self, number: signal.Signals) -> None:
        """To be obeyed in its turn."""
        self._signals.put_nowait(number)

    async def obey_signals(self) -> None:
        """Until the second step."""
        number = await self._signals.get()
        log.info("draining", signal=number.name, grace_s=self._grace_s, running=self._running())
        self.stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s):
                await self._signals.get()
        self.abort()

    def abort(self) -> None:
        """Both steps at once."""
        self.stopping.set()
        self.aborting.set()
        self._abort()
