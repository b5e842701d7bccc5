"""The first sheet of an Excel workbook. Used in children, and only for such a file: python-calamine, from the extra
`tables`, is imported on first need.

A workbook cannot be read in parts, so each child reads all of it: it has a limit, and few chunks.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from child.parts import Source
from child.rows import cells
from child.rows.cutter import shared
from child.rows.table import Rows, Table
from child.rows.words import Words
from jobs.errors import BadTable, NoRows, TooLarge, UnsupportedMediaType
from jobs.formats import PLAIN_FORMATS, DataFormat
from jobs.records import Layout
from jobs.spans import Span

MAX_BYTES = 16 * 1024 * 1024
"""Of a workbook."""
MOST_CHUNKS = 8
"""Each reads the whole workbook."""

PANIC = "PanicException"
"""What Rust makes of a cell's address beyond all measure: no Exception, and of no module that could be imported."""


def scan(source: Source, per_chunk: int, _: Sequence[str] | None = None) -> Table:
    """Columns and spans. Raises TooLarge, BadTable, NoRows, UnsupportedMediaType."""
    sheet = _sheet(source)
    first, last = sheet.start, sheet.end
    if first is None or last is None or last[0] <= first[0]:
        raise NoRows(field=source.field)
    columns = [_name(cell) for cell in next(iter(sheet.iter_rows()))]
    rows = last[0] - first[0]
    spans = shared(rows, max(per_chunk, -(-rows // MOST_CHUNKS)), 0, source.size)
    return Table(format=DataFormat.XLSX, columns=columns, width=len(columns), spans=spans, first_line=True)


def read(source: Source, span: Span, layout: Layout, words: Mapping[int, Words]) -> Rows:
    """(span.rows, features). Raises as `scan`, and RaggedRow and NotNumeric."""
    rows = list(islice(_sheet(source).iter_rows(), span.first + 1, span.last + 2))
    picked = cells.pick(rows, span.first, layout, source.field)
    return cells.numbers(picked, span.first, layout.features, source.field, plain=False, words=words)


def _sheet(source: Source) -> Any:
    if source.size > MAX_BYTES:
        way_out = "Save the sheet as CSV, or as Parquet."
        raise TooLarge(field=f"{source.field}, as an Excel workbook,", limit_bytes=MAX_BYTES, way_out=way_out)
    try:
        import python_calamine as calamine
    except ImportError:
        found = DataFormat.XLSX.missing
        raise UnsupportedMediaType(field=source.field, found=found, supported=PLAIN_FORMATS) from None
    source.file.seek(0)
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(source.file.read(source.size)))
        return book.get_sheet_by_index(0)
    except BaseException as error:
        if not isinstance(error, calamine.CalamineError | OSError | ValueError) and type(error).__name__ != PANIC:
            raise
        raise BadTable(field=source.field, format=DataFormat.XLSX.label, reason=str(error)[:200]) from None


def _name(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
