"""A job's progress in one line, on a terminal and in a notebook, and nowhere else. Runs in the caller's process."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

Document = Mapping[str, Any]
BAR_CELLS = 20


class Bar:
    """Draws itself anew over its own line; `clear` takes it away."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._first: tuple[float, int] | None = None
        """When rows were first seen to be done, and how many."""
        self._width = 0

    def __call__(self, job: Document) -> None:
        line = self.line(job)
        self._out.write(f"\r{line.ljust(self._width)}")
        self._out.flush()
        self._width = len(line)

    def clear(self) -> None:
        if self._width:
            self._out.write(f"\r{' ' * self._width}\r")
            self._out.flush()

    def line(self, job: Document) -> str:
        """How far it is: rows, rows a second and the time left, as far as they are known."""
        rows, done = job.get("rows"), job.get("rows_done") or 0
        if not rows:
            return str(job["status"])
        cells = BAR_CELLS * done // rows
        said = f"[{'#' * cells}{'.' * (BAR_CELLS - cells)}] {done:,}/{rows:,} rows"
        now = self._clock()
        if self._first is None and done:
            self._first = now, done
        if self._first and done > self._first[1]:
            speed = (done - self._first[1]) / max(now - self._first[0], 1e-3)
            said += f", {speed:,.0f} rows/s, {(rows - done) / speed:,.0f} s left"
        return said


def bar(wanted: bool | None) -> Bar | None:
    """`None`: where somebody sees it. `True`: always; `False`: never."""
    seen = sys.stderr.isatty() or _in_notebook()
    return Bar(sys.stderr) if wanted or (wanted is None and seen) else None


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    active = shell.get_ipython() if shell else None
    return type(active).__name__ == "ZMQInteractiveShell"
