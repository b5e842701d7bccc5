"""The same rows in every format that the service reads. Used by the campaign.

Parquet and Arrow come with pyarrow, which a plain installation has not got: without it there are fewer tables. Does not
know any model: see `samples`.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy

from fuzz.workbooks import Cell, workbook

Columns = Mapping[str, Sequence[Cell]]
PARQUET: tuple[dict[str, Any], ...] = (
    {"compression": "none", "use_dictionary": False},
    {"compression": "snappy", "row_group_size": 2},
    {"compression": "gzip", "data_page_version": "2.0", "use_dictionary": False},
    {"compression": "zstd", "store_schema": False, "write_page_index": True},
    {"compression": "lz4", "use_byte_stream_split": True, "use_dictionary": False},
)
CODECS = (None, "lz4", "zstd")


class Table(NamedTuple):
    """A file, and its format: a key of `files.FORMATS`."""

    format: str
    raw: bytes


def tables(columns: Columns, *, by_place: bool) -> list[Table]:
    """`by_place`: also without names, for models that need none and rows that are numbers alone."""
    found = [*_text(columns), *(_without_names(columns) if by_place else [])]
    if find_spec("python_calamine"):
        found.append(Table("xlsx", workbook([list(columns), *zip(*columns.values(), strict=True)])))
    return [*found, *_arrow(columns)] if find_spec("pyarrow") else found


def as_json(document: Any) -> bytes:
    """As Python writes it: with NaN and Infinity, which JSON does not know."""
    return json.dumps(document).encode()


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    numpy.save(buffer, array)
    return buffer.getvalue()


def _text(columns: Columns) -> Iterator[Table]:
    rows = list(zip(*columns.values(), strict=True))
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    yield Table("csv", "\n".join([",".join(columns), *(",".join(map(_cell, row)) for row in rows)]).encode())
    yield Table("json", as_json({"columns": list(columns), "data": rows}))
    yield Table("json", as_json(records))
    yield Table("json", as_json({name: list(cells) for name, cells in columns.items()}))
    yield Table("json", as_json({"inputs": tensors(columns)}))
    yield Table("lines", b"\n".join(map(as_json, records)))


def tensors(columns: Columns) -> list[dict[str, Any]]:
    """Inputs of the Open Inference Protocol, one for each column."""
    return [
        {
            "name": name,
            "datatype": "BYTES" if any(isinstance(cell, str) for cell in cells) else "FP64",
            "shape": [len(cells), 1],
            "data": list(cells),
        }
        for name, cells in columns.items()
    ]


def _cell(value: Cell) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(value)


def _without_names(columns: Columns) -> Iterator[Table]:
    rows = numpy.array(list(columns.values()), dtype=float).T
    yield Table("npy", npy(numpy.ascontiguousarray(rows)))
    yield Table("npy", npy(rows))
    yield Table("json", as_json(rows.tolist()))
    tensor = {"name": "x", "datatype": "FP64", "shape": list(rows.shape), "data": rows.ravel().tolist()}
    yield Table("json", as_json({"inputs": [tensor]}))


def _arrow(columns: Columns) -> Iterator[Table]:
    import pyarrow
    from pyarrow import parquet

    plain = pyarrow.table({name: list(cells) for name, cells in columns.items()})
    listed = [column.dictionary_encode() if pyarrow.types.is_string(column.type) else column for column in plain]
    for how in PARQUET:
        buffer = io.BytesIO()
        parquet.write_table(plain, buffer, **_fitting(how, plain))
        yield Table("parquet", buffer.getvalue())
    for table in (plain, pyarrow.table(listed, names=list(columns))):
        for codec in CODECS:
            buffer = io.BytesIO()
            options = pyarrow.ipc.IpcWriteOptions(compression=codec)
            with pyarrow.ipc.new_file(buffer, table.schema, options=options) as file:
                file.write_table(table, max_chunksize=4)
            yield Table("arrow", buffer.getvalue())
            buffer = io.BytesIO()
            with pyarrow.ipc.new_stream(buffer, table.schema, options=options) as stream:
                stream.write_table(table, max_chunksize=4)
            yield Table("arrow stream", buffer.getvalue())


def _fitting(how: dict[str, Any], table: Any) -> dict[str, Any]:
    """Splitting floats into their bytes is for floats."""
    floats = [field.name for field in table.schema if field.type == "double"]
    return how | {"use_byte_stream_split": floats} if "use_byte_stream_split" in how else how
