"""The one table: a line of words for every measurement, printed to a terminal and written as Markdown.

Parts give `Line`s; nothing here knows what was measured.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 170
COLUMNS = ("who", "cores", "result", "compared", "goal", "differs by", "remarks")
RIGHT = frozenset({"cores", "result", "compared", "differs by"})
console = Console(highlight=False, width=WIDTH)


class Line(NamedTuple):
    """`good` is whether `compared` reaches `goal`, where there is one."""

    work: str
    who: str
    cores: int
    result: str
    compared: str = ""
    goal: str = ""
    good: bool | None = None
    difference: float | None = None
    remarks: str = ""

    def cells(self) -> tuple[str, ...]:
        """In the order of COLUMNS."""
        differs = "" if self.difference is None else f"{self.difference:.0e}"
        missed = " ✗" if self.good is False else ""
        return (self.who, str(self.cores), self.result, self.compared + missed, self.goal, differs, self.remarks)


def shown(lines: Iterable[Line]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("work", *COLUMNS):
        table.add_column(column, justify="right" if column in RIGHT else "left")
    last = ""
    for line in lines:
        if line.work != last:
            table.add_section()
        colour = {True: "green", False: "red", None: None}[line.good]
        table.add_row("" if line.work == last else line.work, *line.cells(), style=colour)
        last = line.work
    console.print(table)


def markdown(lines: Sequence[Line]) -> str:
    """The same table."""
    head = ["| " + " | ".join(("work", *COLUMNS)) + " |"]
    head.append("|" + "|".join("--:" if column in RIGHT else "---" for column in ("work", *COLUMNS)) + "|")
    rows, last = [], ""
    for line in lines:
        work = "" if line.work == last else line.work
        rows.append("| " + " | ".join((work, *line.cells())) + " |")
        last = line.work
    return "\n".join([*head, *rows]) + "\n"
