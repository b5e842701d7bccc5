"""What one cell of text or JSON means as a number, and the checks that all formats share. Used in children.

Does not know where a cell stands in the file: callers name the row and the column.
"""

import contextlib
import csv
import itertools
import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from child.rows.table import Rows
from child.rows.words import MISSING, Floats, Words, is_missing
from jobs.errors import NotNumeric, NotText, RaggedRow
from jobs.records import Layout

SHOWN_CHARS = 60
csv.field_size_limit(2**31 - 1)  # a cell is as long as its file lets it be: it is refused by its place, not by csv
NAN = float("nan")
PLAIN = (str, int, float, type(None))
NO_WORDS: Mapping[int, Words] = {}
_THOUSANDS = re.compile(
    r"[+-]?\d{1,3}([,' \u00a0\u202f]\d{3})+(\.\d*)?|[+-]?\d{1,3}(\.\d{3}){2,}|[+-]?\d{1,3}(\.\d{3})+,\d*"
)
_COMMA = re.compile(r"[+-]?\d*,\d+")
_SEPARATOR = re.compile(rb"[0-9\x80-\xff]_[0-9\x80-\xff]")
"""In UTF-8: other scripts have digits, too."""
_COLUMN = msgspec.json.Decoder(list[float | None])
WORDS: dict[str, float] = {
    **dict.fromkeys(MISSING, NAN),
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


def is_number(cell: Any) -> bool:
    """Whether `number` takes it: a missing value and a boolean, too."""
    try:
        number(cell)
    except ValueError:
        return False
    return True


def pick(rows: Sequence[Sequence[Any]], first: int, layout: Layout, field: str) -> Sequence[Sequence[Any]]:
    """Of rows as they are in the file the cells of the layout's features, in their order. Raises RaggedRow."""
    check_width(rows, first, len(layout.columns), field)
    if layout.order is None:
        return rows
    return _columns(rows, layout.order)


def _columns(rows: Sequence[Sequence[Any]], places: Sequence[int]) -> Sequence[Sequence[Any]]:
    """Rows of these cells alone."""
    if len(places) == 1:
        return [[row[places[0]]] for row in rows]
    return list(map(itemgetter(*places), rows))


def check_width(rows: Sequence[Sequence[Any]], first: int, width: int, field: str) -> None:
    """Raises RaggedRow, counting rows from `first`."""
    if set(map(len, rows)) <= {width}:
        return
    for index, row in enumerate(rows):
        if len(row) != width:
            raise RaggedRow(field=field, row=first + index, found=len(row), expected=width)


def numbers(
    rows: Sequence[Sequence[Any]],
    first: int,
    columns: Sequence[str],
    field: str,
    *,
    plain: bool,
    words: Mapping[int, Words] = NO_WORDS,
) -> Rows:
    """(rows, columns) of float64, of rows that all have as many cells; columns of text as codes.

    `plain` promises that no cell needs more care than `float` takes: see `is_plain`. Raises NotNumeric, counting rows
    from `first`.
    """
    if not words:
        return _numbers(rows, first, columns, field, plain=plain)
    found = np.empty((len(rows), len(columns)))
    others = [place for place in range(len(columns)) if place not in words]
    if others:
        picked = _columns(rows, others)
        found[:, others] = _numbers(picked, first, [columns[place] for place in others], field, plain=plain)
    for place, own in words.items():
        found[:, place] = codes([row[place] for row in rows], own, first, columns[place], field)
    return found


def codes(cells: Sequence[Any], words: Words, first: int, column: str, field: str) -> list[float]:
    """One column's cells as codes. Raises NotText where the model reads nothing else, and NotNumeric for a list."""
    try:
        return list(words.codes(cells))
    except TypeError:
        taken = str if words.only_text else PLAIN
        index = next(index for index, cell in enumerate(cells) if not isinstance(cell, taken) and not is_missing(cell))
    if words.only_text:
        raise NotText(field=field, row=first + index, column=column, value=repr(cells[index])[:SHOWN_CHARS])
    hint = "A cell is text, a number, a boolean or missing."
    raise NotNumeric(field=field, row=first + index, column=column, value=repr(cells[index])[:SHOWN_CHARS], hint=hint)


def _numbers(rows: Sequence[Sequence[Any]], first: int, columns: Sequence[str], field: str, *, plain: bool) -> Rows:
    width = len(columns)
    size = len(rows) * width
    if plain:
        try:
            flat = np.fromiter(map(float, itertools.chain.from_iterable(rows)), np.float64, size)
            return flat.reshape(len(rows), width)
        except (ValueError, TypeError, OverflowError):
            pass
    try:
        by_column = [_column(cells, plain=plain) for cells in zip(*rows, strict=True)]
    except ValueError:  # row by row, to name the first cell that is none
        return np.array([_row(row, first + index, columns, field) for index, row in enumerate(rows)], np.float64)
    return np.stack(by_column, axis=1)


def _column(cells: Sequence[Any], *, plain: bool) -> Floats:
    """As `number` reads each. Raises ValueError."""
    if plain:
        with contextlib.suppress(ValueError, TypeError, OverflowError, msgspec.DecodeError):
            return _as_json(cells)
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            return np.fromiter(map(float, cells), np.float64, len(cells))
    return np.fromiter(map(number, cells), np.float64, len(cells))


def _as_json(cells: Sequence[Any]) -> Floats:
    """A column of text with nothing but numbers and empty cells is as good as JSON: five times as fast as `float`.

    Raises ValueError, TypeError and msgspec.DecodeError for any other.
    """
    found = _COLUMN.decode(f"[{','.join(['null' if cell == '' else cell for cell in cells])}]")
    if len(found) != len(cells):
        raise ValueError("a comma in a cell")
    return np.array(found, np.float64)


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
            raise NotNumeric(field=field, row=index, column=column, value=shown, hint=_hint(cell)) from None
    return values


def _hint(cell: Any) -> str:
    """What would make a number of it."""
    text = cell.strip() if isinstance(cell, str) else ""
    if _THOUSANDS.fullmatch(text):
        return "Write numbers without thousands separators (pandas: read_csv(thousands=...), then to_csv)."
    if _COMMA.fullmatch(text):
        return "Write decimal points, or all decimals with commas and semicolons between cells."
    return "Encode text columns before submitting."
