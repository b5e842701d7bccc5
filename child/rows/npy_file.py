"""NPY: only the header is read, the spans are arithmetic. Used in children.

Two dimensions, row by row or column by column (which `np.save(frame.to_numpy())` mostly writes), booleans, integers or
floats of any byte order. Never unpickles.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib import format as npy

from child.parts import Source
from child.rows.cells import codes
from child.rows.cutter import Cutter, shared
from child.rows.table import Rows, Table
from child.rows.words import Words
from jobs import planner
from jobs.errors import BadNpy
from jobs.formats import DataFormat
from jobs.records import Layout
from jobs.spans import Span, Spans


def scan(source: Source, per_chunk: int, _: Sequence[str] | None = None) -> Table:
    """No names, and spans; the detail holds the dtype, and the rows of an array that is stored column by column.

    Of such an array each chunk's span is all of it: its rows are a strip of every column. Raises BadNpy.
    """
    rows, width, by_column, dtype = _header(source)
    offset = source.file.tell()
    end = offset + rows * width * dtype.itemsize
    if end > source.size:
        raise BadNpy(field=source.field, reason=f"the file is truncated: {source.size} bytes instead of {end}")
    detail: dict[str, Any] = {"dtype": dtype.str}
    if by_column:
        detail["column_rows"] = rows
        spans = shared(rows, per_chunk, offset, end)
    else:
        spans = _spans(rows, per_chunk, offset, end, width * dtype.itemsize)
    return Table(format=DataFormat.NPY, columns=None, width=width, spans=spans, detail=detail)


def read(source: Source, span: Span, layout: Layout, words: Mapping[int, Words]) -> Rows:
    """(span.rows, columns), of text as codes. Raises BadNpy when the file ends early, NotText."""
    rows = _read(source, span, layout)
    for place, own in words.items():
        rows[:, place] = codes(rows[:, place].tolist(), own, span.first, layout.features[place], source.field)
    return rows


def _read(source: Source, span: Span, layout: Layout) -> Rows:
    dtype = np.dtype(layout.detail["dtype"])
    if column_rows := layout.detail.get("column_rows"):
        return _read_columns(source, span, layout, dtype, column_rows)
    width = len(layout.columns)
    row_bytes = width * dtype.itemsize
    source.file.seek(span.start + (span.first - span.span_first) * row_bytes)
    raw = source.file.read(span.rows * row_bytes)
    if len(raw) != span.rows * row_bytes:
        raise BadNpy(field=source.field, reason="the file is truncated")
    return np.frombuffer(raw, dtype).reshape(span.rows, width).astype(np.float64)


def _read_columns(source: Source, span: Span, layout: Layout, dtype: np.dtype[Any], column_rows: int) -> Rows:
    """The same of an array that is stored column by column."""
    rows = np.empty((span.rows, len(layout.columns)))
    offset, length = span.start + span.first * dtype.itemsize, span.rows * dtype.itemsize
    strips = source.strips(offset, length, column_rows * dtype.itemsize, rows.shape[1])
    for column, raw in enumerate(strips):
        if len(raw) != length:
            raise BadNpy(field=source.field, reason="the file is truncated")
        rows[:, column] = np.frombuffer(raw, dtype)
    return rows


def _header(source: Source) -> tuple[int, int, bool, np.dtype[Any]]:
    """Rows, columns, whether it is stored column by column, and dtype; leaves the file at the first number."""
    source.file.seek(0)
    try:
        version = npy.read_magic(source.file)
        reader = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, dtype = reader(source.file)
    except (ValueError, KeyError, SyntaxError, TypeError, RecursionError) as error:
        raise BadNpy(field=source.field, reason=str(error)) from None
    if len(shape) != 2 or shape[0] < 0 or shape[1] < 1:  # noqa: PLR2004
        reason = f"the array has shape {shape}; it must be (rows, columns) (numpy: x.reshape(1, -1) for one row)"
        raise BadNpy(field=source.field, reason=reason)
    if dtype.kind not in "biuf" or dtype.itemsize > np.dtype(np.float64).itemsize:
        reason = f"its type is {dtype}; it must be bool, int or float of at most 64 bits (numpy: x.astype(float))"
        raise BadNpy(field=source.field, reason=reason)
    return shape[0], shape[1], fortran and min(shape) > 1, dtype


def _spans(rows: int, per_chunk: int, offset: int, end: int, row_bytes: int) -> Spans:
    cutter = Cutter(per_chunk)
    if rows > planner.MAX_CHUNKS * per_chunk:
        cutter.rows = rows  # too many, and named so, without listing them
    else:
        cutter.add(range(offset, end, row_bytes))
    return cutter.spans(end)
