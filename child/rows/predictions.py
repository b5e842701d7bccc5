"""The caller's own predictions, the part `expected`: a small file, read whole. Used in the child that opens a job.

NPY, CSV or JSON by content, as tables are, but without names: what is in it is meant for the model's outputs. Does not
compare anything: see `child.expected`.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy

from child.parts import Source
from child.rows import cells, json_text
from child.rows.table import Rows
from jobs.errors import BadExpected, NotUtf8
from jobs.formats import DATA_FORMATS, SNIFF_BYTES, DataFormat, sniff_data

NUMBERS_ONLY = "Send numbers, as predict_proba, predict or decision_function give them; labels cannot be compared"
MEMBERS = ("data", "predictions")
"""Of a JSON object: where the numbers are, if there are other members."""
NO_NUMBERS = "it holds no numbers"


def read(source: Source) -> Rows:
    """(rows, columns), all finite. Raises BadExpected, MalformedJson and NotUtf8."""
    source.file.seek(0)
    raw = source.file.read(source.size)
    found = sniff_data(raw[:SNIFF_BYTES])
    if not isinstance(found, DataFormat):
        raise _bad(source, f"it is {found}; send {DATA_FORMATS}")
    if found not in _READERS:
        raise _bad(source, f"it is {found.label}; send NPY, CSV or JSON")
    values = _READERS[found](source, raw)
    if not values.size:
        raise _bad(source, NO_NUMBERS)
    if not np.isfinite(values).all():
        raise _bad(source, f"row {int((~np.isfinite(values)).any(axis=1).argmax())} is missing or infinite")
    return values


def _npy(source: Source, raw: bytes) -> Rows:
    """(rows,) or (rows, columns) of any layout."""
    shape, fortran, dtype, start = _npy_header(source, raw)
    if len(shape) not in (1, 2) or dtype.kind not in "biuf":
        reason = f"the array has shape {shape} and type {dtype}; it must be (rows,) or (rows, outputs) of numbers"
        raise _bad(source, f"{reason}. {NUMBERS_ONLY}")
    count = math.prod(shape)
    if not count:
        raise _bad(source, NO_NUMBERS)
    if min(shape) < 0 or count * dtype.itemsize > len(raw) - start:
        raise _bad(source, "the NPY file is truncated")
    flat = np.frombuffer(raw, dtype, count, start)
    return flat.reshape(shape, order="F" if fortran else "C").reshape(shape[0], -1).astype(np.float64)


def _npy_header(source: Source, raw: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether it is stored column by column, dtype, and where the numbers begin."""
    file = io.BytesIO(raw)
    try:
        version = npy.read_magic(file)
        reader = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        return *reader(file), file.tell()
    except (ValueError, KeyError, SyntaxError, TypeError, RecursionError, TokenError) as error:
        raise _bad(source, f"its NPY header is not usable: {error}") from None


def _csv(source: Source, raw: bytes) -> Rows:
    """With a header or without; a first column without a name is an index, as pandas writes it."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotUtf8(field=source.field, position=error.start) from None
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    if rows and len(rows[0]) > 1 and not rows[0][0].strip():
        rows = [row[1:] for row in rows[1:]]
    elif rows and (not all(map(_is_number, rows[0])) or _counts_columns(rows)):
        rows = rows[1:]
    return _numbers(source, rows)


def _counts_columns(rows: Sequence[Sequence[str]]) -> bool:
    """A first row 0, 1, ... above numbers with a point: what pandas writes over columns without names."""
    return rows[0] == [str(number) for number in range(len(rows[0]))] and any("." in row[0] for row in rows[1:2])


def _json(source: Source, raw: bytes) -> Rows:
    """A list of numbers, of lists or of records; or an object that holds one."""
    found = json_text.parse(raw.removeprefix(b"\xef\xbb\xbf"), source.field, 0)
    if isinstance(found, dict):
        named = [found[name] for name in MEMBERS if name in found] or list(found.values())
        found = named[0] if len(named) == 1 else None
    if not isinstance(found, list):
        raise _bad(source, 'the JSON holds no list of numbers: send [0.1, 0.7, ...] or {"data": [[...], ...]}')
    return _numbers(source, [_cells(row) for row in found])


def _cells(row: Any) -> Sequence[Any]:
    if isinstance(row, dict):
        return list(row.values())
    return row if isinstance(row, list) else [row]


def _numbers(source: Source, rows: Sequence[Sequence[Any]]) -> Rows:
    width = len(rows[0]) if rows else 0
    for number, row in enumerate(rows):
        if len(row) != width:
            raise _bad(source, f"row {number} has {len(row)} numbers, and row 0 has {width}")
        for cell in row:
            if not _is_number(cell):
                raise _bad(source, f"row {number} holds {repr(cell)[: cells.SHOWN_CHARS]}. {NUMBERS_ONLY}")
    flat = [cells.number(cell) for row in rows for cell in row]
    return np.array(flat, np.float64).reshape(len(rows), width)


def _is_number(cell: Any) -> bool:
    try:
        cells.number(cell)
    except ValueError:
        return False
    return True


def _bad(source: Source, reason: str) -> BadExpected:
    return BadExpected(field=source.field, reason=reason)


_READERS: dict[DataFormat, Callable[[Source, bytes], Rows]] = {
    DataFormat.CSV: _csv,
    DataFormat.JSON: _json,
    DataFormat.NPY: _npy,
}
