"""What one cell of text or JSON means as a number, and the checks that all formats share. Used in children.

Does not know where a cell stands in the file: callers name the row and the column.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from child.rows.table import Rows
from jobs.errors import BadHeader, NotNumeric, RaggedRow

SHOWN_CHARS = 60
NAN = float("nan")
_SEPARATOR = re.compile(rb"[0-9]_[0-9]")
WORDS: dict[str, float] = {
    **dict.fromkeys(("", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none", "nat"), NAN),
    "true": 1.0,
    "false": 0.0,
}
"""In lower case: the missing values that pandas writes or reads, and booleans."""


def number(cell: Any) -> float:
    """A cell as a float, NaN where it is missing; integers beyond float64 become infinite. Raises ValueError."""
    if cell is None:
        return NAN
    if isinstance(cell, str):
        text = cell.strip()
        known = WORDS.get(text.lower())
        if known is not None:
            return known
        if "_" in text:  # Python's digit separator is not data's
            raise ValueError(cell)
        return float(text)
    if not isinstance(cell, int | float):
        raise ValueError(cell)  # noqa: TRY004
    try:
        return float(cell)
    except OverflowError:
        return float("inf") if cell > 0 else float("-inf")


def numbers(rows: Sequence[Sequence[Any]], first: int, columns: Sequence[str], field: str, *, plain: bool) -> Rows:
    """(rows, columns) of float64. Raises RaggedRow and NotNumeric, counting rows from `first`.

    `plain` promises that no cell needs more care than `float` takes: see `is_plain`.
    """
    width = len(columns)
    for index, row in enumerate(rows):
        if len(row) != width:
            raise RaggedRow(field=field, row=first + index, found=len(row), expected=width)
    size = len(rows) * width
    if plain:
        try:
            flat = np.fromiter(map(float, itertools.chain.from_iterable(rows)), np.float64, size)
            return flat.reshape(len(rows), width)
        except (ValueError, TypeError, OverflowError):
            pass
    careful = (_row(row, first + index, columns, field) for index, row in enumerate(rows))
    return np.fromiter(itertools.chain.from_iterable(careful), np.float64, size).reshape(len(rows), width)


def is_plain(raw: bytes) -> bool:
    """False where text has digits with a separator, which `float` would accept."""
    return b"_" not in raw or not _SEPARATOR.search(raw)


def _row(row: Sequence[Any], index: int, columns: Sequence[str], field: str) -> list[float]:
    values = []
    for column, cell in zip(columns, row, strict=True):
        try:
            values.append(number(cell))
        except ValueError:
            shown = repr(cell)[:SHOWN_CHARS]
            raise NotNumeric(field=field, row=index, column=column, value=shown) from None
    return values


def check_names(names: Sequence[str], field: str) -> list[str]:
    """The header as it is. Raises BadHeader for empty and for repeated names."""
    for position, name in enumerate(names):
        if not name:
            reason = f"column {position + 1} has no name (was it written with its index? pandas: to_csv(index=False))"
            raise BadHeader(field=field, reason=reason)
    repeated = sorted({name for name in names if list(names).count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise BadHeader(field=field, reason=f"more than one column is named {', '.join(map(repr, repeated[:10]))}")
    return list(names)
