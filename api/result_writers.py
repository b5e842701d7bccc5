"""Values as JSON, CSV or NPY, a batch of whole lines at a time. Pure; used in the web process.

- JSON: an object with job_id, explainer, engine, features, outputs, base_values, shape, rows ([first, last]) and
  values, nested as `shape` says. NaN is null.
- CSV: `row,<features>`; with several outputs `row,output,<features>`, a line each; interactions add `feature` before
  the features, a line for each row of the matrix. NaN is an empty cell. A name that a spreadsheet would run as a
  formula has an apostrophe before it (`harmless`).
- NPY: version 1.0, float64.

Of a job with `top_k`, JSON and CSV name the features whose places the first columns hold.

A line of CSV is a JSON list without its brackets: msgspec writes both, in the shortest digits that read back alike.
"""

import csv
import io
import re
import sys
from array import array
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

import msgspec

from api import npy
from api.result_table import Table
from jobs.results import Id

Values = Annotated[list[Any], msgspec.Meta(extra_json_schema={"items": {}})]
"""Nested as the shape says."""
_encode = msgspec.json.Encoder().encode
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What the first character of a cell must not be; some programs take the wide ones for the others."""
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Result(msgspec.Struct, kw_only=True):
    """A job's values, nested as `shape` says; NaN is null. `rows` are the first and the last one."""

    job_id: str
    explainer: str
    engine: str
    features: list[str]
    outputs: list[str]
    base_values: list[float | None]
    shape: list[int]
    rows: list[int]
    values: Values
    ids: list[Id] | msgspec.UnsetType = msgspec.UNSET
    """Of each row, where the job's options name an `id_column`."""


IdsStand = Literal["beside", "after", ""]


class Writer(Protocol):
    """One format; made anew for every answer, as it counts lines."""

    suffix: str
    ids: IdsStand
    """Where the ids of a job with an `id_column` stand: beside each line's values, or after all of them."""

    def begin(self) -> bytes: ...
    def write(self, batch: bytes) -> bytes: ...
    def give(self, ids: Sequence[Id], /) -> bytes:
        """The ids of the lines that come next, or of some rows after all lines; what is written of them at once."""

    def end(self) -> bytes: ...
    def length(self) -> int | None: ...


class JsonWriter:
    suffix = "json"

    def __init__(self, table: Table) -> None:
        self._table = table
        self._line = self._ids = 0
        self.ids: IdsStand = "" if table.id_column is None else "after"

    def begin(self) -> bytes:
        return _encode(self._without_values()).removesuffix(b"]}")

    def write(self, batch: bytes) -> bytes:
        table, per_row = self._table, self._table.lines_per_row
        out = bytearray()
        for line in _named(_lines(batch, table.line_values), table):
            out += b"," if self._line else b""
            out += b"[" if table.interactions and self._line % per_row == 0 else b""
            out += _encode(_nested(line, len(table.outputs)))
            self._line += 1
            out += b"]" if table.interactions and self._line % per_row == 0 else b""
        return bytes(out)

    def give(self, ids: Sequence[Id], /) -> bytes:
        before, self._ids = b"," if self._ids else b'],"ids":[', self._ids + len(ids)
        return before + _encode(list(ids))[1:-1]

    def end(self) -> bytes:
        return b"]}\n"

    def length(self) -> int | None:
        return None

    def _without_values(self) -> Result:
        return Result(**self._table.about(), values=[])


class CsvWriter:
    suffix = "csv"

    def __init__(self, table: Table) -> None:
        self._table = table
        self._line = 0
        self._features = [_cells([harmless(name)]) for name in table.features]
        self.ids: IdsStand = "" if table.id_column is None else "beside"
        self._beside: list[bytes] = []
        several = len(table.outputs) > 1
        self._outputs = [_cells([harmless(name)]) + b"," for name in table.outputs] if several else [b""]

    def begin(self) -> bytes:
        own = [] if self._table.id_column is None else [harmless(self._table.id_column)]
        keys = ["row", *own, *(["output"] if len(self._outputs) > 1 else []), *(["feature"] * self._table.interactions)]
        return _cells([*keys, *map(harmless, self._table.features)]) + b"\n"

    def write(self, batch: bytes) -> bytes:
        outputs = self._outputs
        out = bytearray()
        lines = _lines(batch, self._table.line_values)
        for line, own in zip(lines, self._beside or [b""] * len(lines), strict=True):
            row, feature = self._position()
            for number, output in enumerate(outputs):
                names, numbers = self._names_and_numbers(line[number :: len(outputs)])
                values = names + _encode(numbers)[1:-1].replace(b"null", b"")
                out += b"%d,%b%b%b%b\n" % (row, own, output, feature, values)
            self._line += 1
        return bytes(out)

    def give(self, ids: Sequence[Id], /) -> bytes:
        self._beside = [_cells([_id_cell(found)]) + b"," for found in ids]
        return b""

    def end(self) -> bytes:
        return b""

    def length(self) -> int | None:
        return None

    def _names_and_numbers(self, line: list[float]) -> tuple[bytes, list[float]]:
        table = self._table
        if not table.named:
            return b"", line
        places = line[: table.places]
        return _cells([harmless(table.named[int(place)]) for place in places]) + b",", line[table.places :]

    def _position(self) -> tuple[int, bytes]:
        row, feature = divmod(self._line, self._table.lines_per_row)
        return self._table.first + row, self._features[feature] + b"," if self._table.interactions else b""


class NpyWriter:
    suffix = "npy"
    ids: IdsStand = ""

    def __init__(self, table: Table) -> None:
        self._header = npy.write_header(table.shape)
        self._length = len(self._header) + table.values_bytes

    def begin(self) -> bytes:
        return self._header

    def write(self, batch: bytes) -> bytes:
        return batch

    def give(self, _ids: Sequence[Id], /) -> bytes:
        """It holds numbers only."""
        return b""

    def end(self) -> bytes:
        return b""

    def length(self) -> int | None:
        return self._length


def harmless(name: str) -> str:
    """As OWASP advises against formulas in CSV: an apostrophe before it makes it text. Numbers stay numbers."""
    return f"'{name}" if name[:1] in FORMULA and not NUMBER.fullmatch(name) else name


def _id_cell(found: Id) -> str:
    return harmless("" if found is None else str(found))


def floats(batch: bytes) -> list[float]:
    """The values that a batch holds."""
    values = array("d", batch)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()


def _lines(batch: bytes, width: int) -> list[list[float]]:
    numbers = floats(batch)
    return [numbers[start : start + width] for start in range(0, len(numbers), width)]


def _named(lines: list[list[float]], table: Table) -> list[list[Any]]:
    """With names for places; several outputs have theirs side by side."""
    count = table.places * len(table.outputs)
    return [[*(table.named[int(place)] for place in line[:count]), *line[count:]] for line in lines] if count else lines


def _nested(line: list[Any], outputs: int) -> list[Any]:
    """A list for each feature where there are several outputs."""
    return line if outputs == 1 else [line[start : start + outputs] for start in range(0, len(line), outputs)]


def _cells(values: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue().encode()
