"""NPY: only the header is read, the spans are arithmetic. Used in children.

Two dimensions, C order, booleans, integers or floats of any byte order. Never unpickles.
"""

from typing import Any

import numpy as np
from numpy.lib import format as npy

from child.parts import Source
from child.rows.cutter import Cutter
from child.rows.table import Rows, Table
from jobs import planner
from jobs.errors import BadNpy
from jobs.formats import DataFormat
from jobs.records import Layout
from jobs.spans import Span, Spans


def scan(source: Source, per_chunk: int) -> Table:
    """No names, and spans; the detail holds the dtype. Raises BadNpy."""
    rows, width, dtype = _header(source)
    offset = source.file.tell()
    row_bytes = width * dtype.itemsize
    end = offset + rows * row_bytes
    if end > source.size:
        raise BadNpy(field=source.field, reason=f"the file is truncated: {source.size} bytes instead of {end}")
    spans = _spans(rows, per_chunk, offset, row_bytes)
    return Table(format=DataFormat.NPY, columns=None, width=width, spans=spans, detail={"dtype": dtype.str})


def read(source: Source, span: Span, layout: Layout) -> Rows:
    """(span.rows, columns). Raises BadNpy when the file ends early."""
    dtype = np.dtype(layout.detail["dtype"])
    width = len(layout.columns)
    row_bytes = width * dtype.itemsize
    source.file.seek(span.start + (span.first - span.span_first) * row_bytes)
    raw = source.file.read(span.rows * row_bytes)
    if len(raw) != span.rows * row_bytes:
        raise BadNpy(field=source.field, reason="the file is truncated")
    return np.frombuffer(raw, dtype).reshape(span.rows, width).astype(np.float64)


def _header(source: Source) -> tuple[int, int, np.dtype[Any]]:
    """Rows, columns and dtype; leaves the file at the first row."""
    source.file.seek(0)
    try:
        version = npy.read_magic(source.file)
        reader = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, dtype = reader(source.file)
    except (ValueError, KeyError, SyntaxError, TypeError, RecursionError) as error:
        raise BadNpy(field=source.field, reason=str(error)) from None
    if len(shape) != 2 or shape[0] < 0 or shape[1] < 1:  # noqa: PLR2004
        reason = f"the array has shape {shape}; it must be (rows, columns) (numpy: x.reshape(len(x), -1))"
        raise BadNpy(field=source.field, reason=reason)
    if fortran and min(shape) > 1:
        reason = "the array is stored column by column; save it with np.save(path, np.ascontiguousarray(x))"
        raise BadNpy(field=source.field, reason=reason)
    if dtype.kind not in "biuf" or dtype.itemsize > np.dtype(np.float64).itemsize:
        reason = f"its type is {dtype}; it must be bool, int or float of at most 64 bits (numpy: x.astype(float))"
        raise BadNpy(field=source.field, reason=reason)
    return shape[0], shape[1], dtype


def _spans(rows: int, per_chunk: int, offset: int, row_bytes: int) -> Spans:
    cutter = Cutter(per_chunk)
    if rows > planner.MAX_CHUNKS * per_chunk:
        cutter.rows = rows  # too many, and named so, without listing them
    else:
        cutter.add(range(offset, offset + rows * row_bytes, row_bytes))
    return cutter.spans(offset + rows * row_bytes)
