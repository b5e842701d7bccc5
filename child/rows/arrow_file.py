"""Parquet and Arrow (Feather) files: columns in row groups or record batches, read without holding more than one of
them. Used in children, and only for such a file: pyarrow, from the extra `tables`, is imported on first need.

A chunk's rows are found by counting, so every span is all of the file; and a row group larger than a chunk is gone
through from its beginning, so chunks are never smaller than a sixteenth of the largest. What a cell that is no number
means is said in `cells`.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from child.parts import Source
from child.rows import cells
from child.rows.cutter import shared
from child.rows.table import Rows, Table
from child.rows.words import Words
from jobs.errors import BadTable, UnsupportedMediaType
from jobs.formats import PLAIN_FORMATS, DataFormat
from jobs.records import Layout
from jobs.spans import Span
from jobs.warnings import warning

SHARE = 16
"""Of the largest row group, that a chunk is at least one of: how often a group may be read."""
LARGE_ROWS = 100_000
"""In one row group: a chunk's memory grows with it from here on."""
BATCH_ROWS = 16 * 1024
"""Of a column, that are decoded at once."""
READ_BYTES = 64 * 1024
"""Of a Parquet column at once."""


def pyarrow() -> Any:
    """With one thread, and with the system's allocator, as others reserve what a capped child may not. Where pandas is
    not there yet it is kept away: pyarrow would import it for nothing. Raises ImportError.
    """
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    return pa


def scan_parquet(source: Source, per_chunk: int, _: Sequence[str] | None = None) -> Table:
    """Columns and spans. Raises BadTable and UnsupportedMediaType."""
    with Failures(source, DataFormat.PARQUET):
        file = _parquet(source)
        groups = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
        return tabled(source, DataFormat.PARQUET, file.schema_arrow, groups, per_chunk)


def scan_arrow(source: Source, per_chunk: int, _: Sequence[str] | None = None) -> Table:
    """Columns and spans; of each record batch only the first column is read. Raises BadTable, UnsupportedMediaType."""
    with Failures(source, DataFormat.ARROW):
        file = _arrow(source, 0)
        batches = [file.get_batch(number).num_rows for number in range(file.num_record_batches)]
        return tabled(source, DataFormat.ARROW, _arrow(source).schema, batches, per_chunk)


def read_parquet(source: Source, span: Span, layout: Layout, words: Mapping[int, Words]) -> Rows:
    """(span.rows, features), a column at a time: pages are a megabyte each. Raises BadTable and NotNumeric."""
    rows = np.empty((span.rows, len(layout.features)))
    with Failures(source, DataFormat.PARQUET):
        file = _parquet(source)
        groups, skip = touched(layout.detail["ends"], span)
        for place, name in enumerate(layout.features):
            own, done, left = Column(name, words.get(place), source.field), 0, skip
            for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=[name], use_threads=False):
                column = batch.column(batch.schema.get_field_index(name))[left : left + span.rows - done]
                rows[done : done + len(column), place] = own.numbers(column, span.first + done)
                done, left = done + len(column), max(0, left - len(batch))
                if done == span.rows:
                    break
    return rows


def read_arrow(source: Source, span: Span, layout: Layout, words: Mapping[int, Words]) -> Rows:
    """(span.rows, features), a column of a record batch at a time. Raises BadTable and NotNumeric."""
    rows = np.empty((span.rows, len(layout.features)))
    batches, skip = touched(layout.detail["ends"], span)
    with Failures(source, DataFormat.ARROW):
        for place, number in enumerate(layout.order or range(len(layout.columns))):
            file, done, left = _arrow(source, number), 0, skip
            own = Column(layout.features[place], words.get(place), source.field)
            for batch in batches:
                column = file.get_batch(batch).column(0)[left : left + span.rows - done]
                rows[done : done + len(column), place] = own.numbers(column, span.first + done)
                done, left = done + len(column), 0
    return rows


def tabled(source: Source, found: DataFormat, schema: Any, groups: list[int], per_chunk: int) -> Table:
    chunk_rows = max(per_chunk, -(-max(groups, default=0) // SHARE))
    spans = shared(sum(groups), chunk_rows, 0, source.size)
    largest = max(groups, default=0)
    said = [warning("large_row_groups", _large(source, largest, chunk_rows))] if largest > LARGE_ROWS else []
    types = pyarrow().types
    whole = [place for place, kind in enumerate(schema.types) if types.is_integer(kind) and not types.is_uint64(kind)]
    return Table(
        format=found,
        columns=schema.names,
        width=len(schema.names),
        spans=spans,
        whole=frozenset(whole),
        detail={"ends": list(accumulate(groups))},
        warnings=said,
    )


def _large(source: Source, rows: int, chunk_rows: int) -> str:
    return (
        f"{source.field}: {rows} rows are in one row group or record batch, of which each chunk takes a {SHARE}th at "
        f"least; so chunks have {chunk_rows} rows, and take the more memory. Write smaller ones "
        f"(row_group_size=10_000, max_chunksize=10_000)."
    )


def touched(ends: list[int], span: Span) -> tuple[list[int], int]:
    """The groups in which a span's rows lie, and the rows of the first of them that come before."""
    bounds = list(enumerate(pairwise([0, *ends])))
    touched = [number for number, (start, end) in bounds if start <= span.last and end > span.first]
    return touched, span.first - bounds[touched[0]][1][0]


class Column(NamedTuple):
    """One column of the model's features, and what its text means, if it is text."""

    name: str
    words: Words | None
    field: str

    def numbers(self, cells_: Any, first: int) -> npt.NDArray[np.float64]:
        """Its cells as float64, NaN where one is missing. Raises NotNumeric, counting rows from `first`."""
        pa = pyarrow()
        if pa.types.is_dictionary(cells_.type):
            cells_ = cells_.dictionary_decode()
        kind = cells_.type
        numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
        if self.words is None and any(is_kind(kind) for is_kind in numeric):
            found: npt.NDArray[np.float64] = cells_.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            return found
        listed = [[cell] for cell in cells_.to_pylist()]
        words = {} if self.words is None else {0: self.words}
        return cells.numbers(listed, first, [self.name], self.field, plain=False, words=words)[:, 0]


def _parquet(source: Source) -> Any:
    pyarrow()
    from pyarrow import parquet

    source.file.seek(0)
    return parquet.ParquetFile(source.file, pre_buffer=False, buffer_size=READ_BYTES)


def _arrow(source: Source, *columns: int) -> Any:
    """A reader of some columns; of all without a number."""
    pa = pyarrow()
    source.file.seek(0)
    options = pa.ipc.IpcReadOptions(included_fields=list(columns), use_threads=False)
    return pa.ipc.open_file(source.file, options=options)


class Failures:
    """What pyarrow raises for a file that is not as it should be, as a problem."""

    def __init__(self, source: Source, found: DataFormat) -> None:
        self._source, self._found = source, found

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        field, label = self._source.field, self._found.label
        if isinstance(error, ImportError):
            raise UnsupportedMediaType(field=field, found=self._found.missing, supported=PLAIN_FORMATS) from None
        if isinstance(error, ValueError | OSError | NotImplementedError | KeyError) and not isinstance(
            error, ConnectionError
        ):
            raise BadTable(field=field, format=label, reason=str(error).split("\n", 1)[0][:200]) from None
