"""The formats of tables, a row each, and the way to them by a file's first bytes. Used in children.

A format is a row in `jobs.formats`, one here, and a file. Does not know any model: see `layout`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from child.parts import Source
from child.rows import arrow_file, arrow_stream, csv_file, json_file, npy_file, tensors_file, xlsx_file
from child.rows.cells import NO_WORDS
from child.rows.table import Rows, Table
from child.rows.words import Words
from jobs.errors import NoRows, UnsupportedMediaType
from jobs.formats import DATA_FORMATS, SNIFF_BYTES, DataFormat, sniff_data
from jobs.records import Layout
from jobs.spans import Span


class Reader(NamedTuple):
    """What a format's file offers."""

    scan: Callable[[Source, int, Sequence[str] | None], Table]
    """See `open_table`."""
    read: Callable[[Source, Span, Layout, Mapping[int, Words]], Rows]
    """See `read_rows`."""


READERS: dict[str, Reader] = {
    DataFormat.CSV: Reader(csv_file.scan, csv_file.read),
    DataFormat.JSON: Reader(json_file.scan, json_file.read),
    DataFormat.NPY: Reader(npy_file.scan, npy_file.read),
    DataFormat.PARQUET: Reader(arrow_file.scan_parquet, arrow_file.read_parquet),
    DataFormat.ARROW: Reader(arrow_file.scan_arrow, arrow_file.read_arrow),
    DataFormat.ARROW_STREAM: Reader(arrow_stream.scan, arrow_stream.read),
    DataFormat.TENSORS: Reader(tensors_file.scan, tensors_file.read),
    DataFormat.XLSX: Reader(xlsx_file.scan, xlsx_file.read),
}


def open_table(source: Source, per_chunk: int, features: Sequence[str] | None = None) -> Table:
    """Find the rows and cut them into spans of `per_chunk` rows, in one pass and without keeping any. The model's
    `features` decide what could be rows or columns alike.

    Raises a Problem that names what is wrong; what is wrong inside a row comes out when its span is read.
    """
    source.file.seek(0)
    found = sniff_data(source.file.read(SNIFF_BYTES)) if source.size else None
    if found is None:
        raise NoRows(field=source.field)
    if not isinstance(found, DataFormat):
        raise UnsupportedMediaType(field=source.field, found=found, supported=DATA_FORMATS)
    table = READERS[found].scan(source, per_chunk, features)
    if not table.spans:
        raise NoRows(field=source.field)
    return table


def read_rows(source: Source, span: Span, layout: Layout, words: Mapping[int, Words] = NO_WORDS) -> Rows:
    """The span's rows, (span.rows, features) in the layout's order; features of text, by their places in `words`, as
    codes. Raises a Problem for the first bad row.
    """
    return READERS[layout.format].read(source, span, layout, words)
