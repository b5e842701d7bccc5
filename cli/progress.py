"""A job's progress bar, and the console for what is not a command's answer. Runs in the command's own process.

Does not ask for the progress: see `polling`.
"""

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from cli.client import Document
from cli.printable import printable

BAR_CELLS = 10
errors = Console(stderr=True, highlight=False)


class ProgressBar:
    """A job's progress bar on standard error; silent where that is not a terminal. `clock` is for tests."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        columns = (SpinnerColumn(), BarColumn(bar_width=BAR_CELLS), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self._task = self._bar.add_task("starting", total=None)
        self._clock = clock
        self._first: tuple[float, int] | None = None
        """When rows were first seen to be done, and how many."""

    def __enter__(self) -> "ProgressBar":
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def show(self, job: Document) -> None:
        self._bar.update(
            self._task, description=self.words(job), total=job.get("rows"), completed=job.get("rows_done") or 0
        )

    def words(self, job: Document) -> str:
        """How far it is: rows, chunks, rows a second and the time left, as far as they are known."""
        rows, done, chunks = job.get("rows"), job.get("rows_done") or 0, job.get("chunks")
        if not rows or not chunks:
            return printable(str(job["status"]))
        said = [f"{done:,}/{rows:,} rows", f"{job.get('chunks_done') or 0:,}/{chunks:,} chunks"]
        now = self._clock()
        if self._first is None and done:
            self._first = now, done
        if self._first and done > self._first[1]:
            speed = (done - self._first[1]) / max(now - self._first[0], 1e-3)
            said += [f"{speed:,.0f} rows/s", f"{(rows - done) / speed:,.0f} s left"]
        return ", ".join(said)

    def say(self, line: str) -> None:
        errors.print(Text(printable(line)), style="yellow")
