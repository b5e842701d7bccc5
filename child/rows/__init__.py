"""Data files, read in a child: cut into byte ranges without copying, and read back into numbers range by range.

`open_table` finds the rows (memory: a piece and the spans, however large the file), `read_rows` reads one span.
One format a file: `csv_file`, `json_file`, `npy_file`, each with `scan(source, per_chunk)` and
`read(source, span, layout)`. Does not read whole uploads, and knows no model: see `layout` for the model's order.
"""

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from child.parts import Source
from child.rows import csv_file, json_file, npy_file
from jobs.errors import NoRows, UnsupportedMediaType
from jobs.formats import DATA_FORMATS, SNIFF_BYTES, DataFormat, sniff_data
from jobs.records import Layout
from jobs.spans import Span, Spans

Rows = npt.NDArray[np.float64]
"""(rows, columns); NaN is a missing value."""

_FORMATS: dict[str, ModuleType] = {
    DataFormat.CSV: csv_file,
    DataFormat.JSON: json_file,
    DataFormat.NPY: npy_file,
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """What a scan found: the columns' names (None without names), their number, and where the rows are."""

    format: str
    columns: list[str] | None
    width: int
    spans: Spans
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.spans.rows


def open_table(source: Source, per_chunk: int) -> Table:
    """Find the rows and cut them into spans of `per_chunk` rows, in one pass and without keeping any.

    Raises a Problem that names what is wrong; what is wrong inside a row comes out when its span is read.
    """
    source.file.seek(0)
    found = sniff_data(source.file.read(SNIFF_BYTES)) if source.size else None
    if found is None:
        raise NoRows(field=source.field)
    if not isinstance(found, DataFormat):
        raise UnsupportedMediaType(field=source.field, found=found, supported=DATA_FORMATS)
    columns, width, spans, detail = _FORMATS[found].scan(source, per_chunk)
    if not spans:
        raise NoRows(field=source.field)
    return Table(format=found, columns=columns, width=width, spans=spans, detail=detail)


def read_rows(source: Source, span: Span, layout: Layout) -> Rows:
    """The span's rows, (span.rows, columns) in the data's order of columns. Raises a Problem for the first bad row."""
    rows: Rows = _FORMATS[layout.format].read(source, span, layout)
    return rows
