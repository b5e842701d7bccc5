"""SIGINT and SIGTERM while a command runs: as a note for commands that loop, as an exception for those that do not.

Runs in the command's own process. The handlers stop nothing themselves.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType


class Stop:
    """SIGINT and SIGTERM, as something to ask for: the handlers only take a note."""

    def __init__(self) -> None:
        self.asked = False

    def note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.asked = True


@contextlib.contextmanager
def noting_signals() -> Iterator[Stop]:
    """While this lasts, Ctrl-C and SIGTERM are noted and do nothing else. Outside the main thread none arrive."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def leaving_on_signals() -> Iterator[None]:
    """While this lasts, SIGTERM ends the command like Ctrl-C does: by an exception, so that everything is stopped."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
