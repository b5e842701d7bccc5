"""A job's progress bar, and the console for what is not a command's answer. Runs in the command's own process.

Does not ask for the progress: see `polling`.
"""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.client import Document
from cli.printable import printable

errors = Console(stderr=True, highlight=False)


class ProgressBar:
    """A job's progress bar on standard error; silent where that is not a terminal."""

    def __init__(self) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(
            *columns,
            TextColumn("rows"),
            TimeElapsedColumn(),
            console=errors,
            transient=True,
            disable=not errors.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> "ProgressBar":
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def show(self, job: Document) -> None:
        values: dict[str, Any] = {"description": printable(str(job["status"])), "completed": job.get("rows_done") or 0}
        self._bar.update(self._task, total=job.get("rows"), **values)

    def say(self, line: str) -> None:
        errors.print(Text(printable(line)), style="yellow")
