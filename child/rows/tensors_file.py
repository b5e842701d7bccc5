"""Tensors of the Open Inference Protocol (V2), as the clients of KServe, MLServer and Triton send rows: one tensor of
(rows, features), or one for each column, named by it. Used in children.

Source: the protocol's REST specification (kserve.github.io, "Open Inference Protocol"). Values may be nested as the
shape says, or flat in row-major order. Every child reads the whole document and keeps its rows, so it has a limit.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from child.parts import Source
from child.rows import cells
from child.rows.cutter import shared
from child.rows.json_text import parse
from child.rows.table import Rows, Table
from child.rows.words import Words
from jobs.errors import BadTensors, NoRows, TooLarge
from jobs.formats import DataFormat
from jobs.records import Layout
from jobs.spans import Span

MAX_BYTES = 8 * 1024 * 1024
MOST_DIMENSIONS = 2
WAY_OUT = "Send the rows to POST /analyze as NPY, Arrow or CSV."
TYPES = {
    "BOOL": (bool,),
    "BYTES": (str,),
    **dict.fromkeys(["FP16", "FP32", "FP64"], (int, float)),
    **{f"{sign}INT{bits}": (int,) for sign in ("", "U") for bits in (8, 16, 32, 64)},
}
"""What a value is in JSON, by the tensor's type; null is a missing value of any."""


class Tensor(msgspec.Struct):
    """One input; what else its client says of it does not matter here."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]

    @property
    def width(self) -> int:
        """How many columns it holds."""
        return math.prod(self.shape[1:])


class _Document(msgspec.Struct):
    inputs: list[Tensor]


def scan(source: Source, per_chunk: int, _: Sequence[str] | None = None) -> Table:
    """Columns (None for one tensor, which has no names for them) and spans. Raises BadTensors, MalformedJson, NoRows,
    TooLarge, TooManyChunks.
    """
    tensors = _tensors(source)
    first, *more = tensors
    if more:
        columns, width = [tensor.name for tensor in tensors], len(tensors)
    else:
        columns, width = None, first.width
    if not first.shape[0] or not width:
        raise NoRows(field=source.field)
    spans = shared(first.shape[0], per_chunk, 0, source.size)
    return Table(format=DataFormat.TENSORS, columns=columns, width=width, spans=spans)


def read(source: Source, span: Span, layout: Layout, words: Mapping[int, Words]) -> Rows:
    """(span.rows, features). Raises BadTensors, MalformedJson, NotNumeric."""
    rows = _rows(_tensors(source), slice(span.first, span.last + 1), source.field)
    picked = cells.pick(rows, span.first, layout, source.field)
    return cells.numbers(picked, span.first, layout.features, source.field, plain=False, words=words)


def _tensors(source: Source) -> list[Tensor]:
    """Whose shapes make a table."""
    if source.size > MAX_BYTES:
        raise TooLarge(field=source.field, limit_bytes=MAX_BYTES, way_out=WAY_OUT)
    source.file.seek(0)
    try:
        tensors = msgspec.convert(parse(source.file.read(source.size), source.field, 0), _Document).inputs
    except msgspec.ValidationError as error:
        raise BadTensors(field=source.field, reason=f"{error}") from None
    if not tensors:
        raise NoRows(field=source.field)
    for tensor in tensors:
        _check(tensor, alone=len(tensors) == 1, rows=tensors[0].shape[:1], field=source.field)
    return tensors


def _check(tensor: Tensor, *, alone: bool, rows: list[int], field: str) -> None:
    name = tensor.name[:100]
    if tensor.datatype not in TYPES:
        raise BadTensors(field=field, reason=f"{name} has the type {tensor.datatype[:100]}, not {', '.join(TYPES)}")
    is_table = 1 <= len(tensor.shape) <= MOST_DIMENSIONS and min(tensor.shape) >= 0
    if not is_table or not (alone or tensor.width == 1):
        raise BadTensors(field=field, reason=f"{name} has the shape {tensor.shape[:10]}")
    if tensor.shape[:1] != rows:
        raise BadTensors(field=field, reason=f"{name} has {tensor.shape[0]} rows, and the first input {rows[0]}")


def _rows(tensors: list[Tensor], wanted: slice, field: str) -> list[list[Any]]:
    if len(tensors) == 1:
        values, width = _values(tensors[0], field), tensors[0].width
        return [values[start : start + width] for start in range(0, len(values), width)][wanted]
    return list(map(list, zip(*(_values(tensor, field)[wanted] for tensor in tensors), strict=True)))


def _values(tensor: Tensor, field: str) -> list[Any]:
    """In row-major order."""
    values, types = tensor.data, TYPES[tensor.datatype]
    if values and isinstance(values[0], list):
        if not all(isinstance(row, list) and len(row) == tensor.width for row in values):
            raise BadTensors(field=field, reason=f"{tensor.name[:100]} is not nested as its shape {tensor.shape} says")
        values = [value for row in values for value in row]
    if len(values) != math.prod(tensor.shape):
        reason = f"{tensor.name[:100]} holds {len(values)} values, and its shape {tensor.shape} says otherwise"
        raise BadTensors(field=field, reason=reason)
    found = {type(value) for value in values} - {*types, type(None)}
    if found:
        named = ", ".join(sorted(kind.__name__ for kind in found))
        raise BadTensors(
            field=field, reason=f"{tensor.name[:100]} is {tensor.datatype} and holds other values: {named}"
        )
    return values
