"""How a CSV file separates its cells, by its look: comma, semicolon, tab or bar, decimal comma, lines before the
header. Used by the child that opens a job.

The first piece decides, and what is not the common way is a warning on the job. Does not read rows: see `csv_file`.
"""

import csv
import io
import re
from collections import Counter
from typing import NamedTuple

from child.rows import cells

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LOOKED_AT = 200
"""Lines that decide on the separator."""
ALIKE = 0.8
"""The share of them that must have as many cells as the first: one that does not is told when it is read."""
_BEFORE = re.compile(r"#|\"?sep=.\"?\r?\n", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?\s*")
_DECIMAL_POINT = re.compile(r"\s*[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?\s*")


class Dialect(NamedTuple):
    """What stands between cells, and within numbers."""

    separator: str = ","
    decimal: str = "."

    def split(self, text: str) -> list[list[str]]:
        """The cells of each line; blank lines are no rows."""
        if '"' in text:
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=self.separator)
            return [row for row in rows if row]
        return [line.split(self.separator) for line in text.split("\n") if line]

    def number(self, cell: str) -> str:
        """A cell with its decimal comma as a point; any other is left as it is, and a decimal point made no number."""
        if _DECIMAL_COMMA.fullmatch(cell):
            return cell.replace(",", ".")
        return f"{cell} (with a point, where decimals have commas)" if _DECIMAL_POINT.fullmatch(cell) else cell


def look(head: str) -> Dialect:
    """By a file's first lines, of which the last may be cut short."""
    lines = head.split("\n", LOOKED_AT + 1)
    whole = "\n".join(lines[:-1] if len(lines) > 1 else lines).replace("\r\n", "\n")
    separator = max(SEPARATORS, key=lambda one: _width(whole, one))  # max keeps the first of equals
    if separator == ",":
        return Dialect()
    return Dialect(separator, _decimal(Dialect(separator).split(head.replace("\r\n", "\n"))[1:-1]))


def preamble(head: str) -> tuple[int, str | None]:
    """Characters of the lines before the header (comments, Excel's `sep=;`), and the header where it is itself the last
    of them, as np.savetxt writes it: names for as many cells as the first row has, which holds numbers only.
    """
    at, last = 0, ""
    while _BEFORE.match(head, at) and (end := head.find("\n", at)) > 0:
        last, at = head[at:end].lstrip("# \t").rstrip("\r"), end + 1
    if not at:
        return 0, None
    row = head[at:].lstrip("\r\n").split("\n", 1)[0].rstrip("\r")
    dialect = look(f"{row}\n")
    names, first = dialect.split(last), dialect.split(row)
    is_header = bool(names and first) and len(names[0]) == len(first[0]) and all(map(cells.is_number, first[0]))
    return at, last if is_header else None


def _width(text: str, separator: str) -> int:
    """Cells of the first line where nearly all lines have as many; one where they do not."""
    try:
        widths = [len(row) for row in Dialect(separator).split(text)]
    except csv.Error:
        return 1
    return widths[0] if widths and Counter(widths)[widths[0]] >= ALIKE * len(widths) else 1


def _decimal(rows: list[list[str]]) -> str:
    """A comma, where some cell can only be meant so, and none has a point."""
    points = any(_DECIMAL_POINT.fullmatch(cell) for row in rows for cell in row)
    commas = any(_DECIMAL_COMMA.fullmatch(cell) for row in rows for cell in row)
    return "," if commas and not points else "."
