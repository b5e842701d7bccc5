"""Rows, as what the service takes: NumPy, lists, scipy.sparse, and every data frame that narwhals knows.

Numbers go as NPY and anything else as Arrow or CSV, a block at a time, so that a table is never twice in memory. NPY
has no names, so a frame goes as NPY only where its names are the model's own, in the model's order; else with them.
Runs in the caller's process. A path is sent as the file that it is.
"""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from shap_supervisor import arrow, npy
from shap_supervisor.errors import BadTable
from shap_supervisor.models import Saved, of_file
from shap_supervisor.multipart import Part, field, is_url

DIMENSIONS = 2
CELL_BYTES = 8
NUMBERS = "bui"
NO_CELLS = ("List", "Array", "Struct", "Binary")
"""Types of columns that have no cells."""


class Rows(Protocol):
    """A table that can be sent, and of which the explanation shows the rows that it explains."""

    def part(self, name: str, model: Saved) -> Part: ...

    def head(self, rows: int, model: Saved) -> Any:
        """The first rows, as the model itself takes them; None where they are not at hand."""

    def data(self, features: Sequence[str], rows: slice) -> Any:
        """(rows, features) of these names; None where the table does not have them."""


def rows_of(table: Any) -> Rows:
    """Raises BadTable for what is no table."""
    if is_url(table):
        return UrlRows(table)
    if isinstance(table, str | os.PathLike):
        return FileRows(Path(table))
    if hasattr(table, "tocsr"):
        return SparseRows(table.tocsr())
    if isinstance(table, np.ndarray | list | tuple):
        return ArrayRows(_array(table))
    import narwhals as nw

    frame = nw.from_native(table, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        way_out = "pass a data frame (pandas, polars, pyarrow), an array, a sparse matrix, a list of rows, or a path"
        raise BadTable(f"{type(table)} is no table: {way_out}.", "bad_table")
    return FrameRows(frame)


class FileRows:
    """A file in one of the formats that the service reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def part(self, name: str, _model: Saved) -> Part:
        return of_file(name, self._path)

    def head(self, _rows: int, _model: Saved) -> None:
        return None

    def data(self, _features: Sequence[str], _rows: slice) -> None:
        return None


class UrlRows:
    """A file that the service fetches."""

    def __init__(self, url: str) -> None:
        self._url = url

    def part(self, name: str, _model: Saved) -> Part:
        return field(f"{name}_url", self._url)

    def head(self, _rows: int, _model: Saved) -> None:
        return None

    def data(self, _features: Sequence[str], _rows: slice) -> None:
        return None


class ArrayRows:
    """Numbers without names."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def part(self, name: str, _model: Saved) -> Part:
        array, dtype = self._array, self._array.dtype

        def encoded() -> Iterator[bytes]:
            yield npy.header(array.shape, dtype)
            for block in npy.blocks(len(array), array.shape[1] * dtype.itemsize):
                yield array[block].tobytes()

        return Part(name, encoded, len(npy.header(array.shape, dtype)) + array.size * dtype.itemsize)

    def head(self, rows: int, _model: Saved) -> Any:
        return self._array[:rows]

    def data(self, features: Sequence[str], rows: slice) -> Any:
        return self._array[rows] if self._array.shape[1] == len(features) else None


class SparseRows:
    """A sparse matrix, filled up a block at a time. What it does not hold is zero, and to XGBoost it is missing."""

    def __init__(self, matrix: Any) -> None:
        self._matrix = matrix

    def part(self, name: str, model: Saved) -> Part:
        if not model.library:
            raise BadTable(
                "A sparse matrix with a model that is a file or a name: whether cells that it does not hold are zero "
                "or missing depends on the model's library. Pass the model itself, or rows.toarray().",
                "bad_table",
            )
        rows, columns = self._matrix.shape
        head = npy.header((rows, columns), np.dtype(np.float64))

        def encoded() -> Iterator[bytes]:
            yield head
            for block in npy.blocks(rows, columns * CELL_BYTES):
                yield self._filled(block, model).tobytes()

        return Part(name, encoded, len(head) + rows * columns * CELL_BYTES)

    def head(self, rows: int, _model: Saved) -> Any:
        return self._matrix[:rows]

    def data(self, features: Sequence[str], rows: slice) -> Any:
        """It stays sparse, as shap leaves it."""
        return self._matrix[rows] if self._matrix.shape[1] == len(features) else None

    def _filled(self, block: slice, model: Saved) -> Any:
        part = self._matrix[block].tocoo()
        out = np.full(part.shape, np.nan if model.library == "xgboost" else 0.0)
        out[part.row, part.col] = part.data
        return out


class FrameRows:
    """A data frame of any library that narwhals knows. Raises BadTable for columns that have no cells."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self._names = [str(name) for name in frame.columns]
        self._is_numeric = all(dtype.is_numeric() or str(dtype) == "Boolean" for dtype in frame.schema.values())
        for name, dtype in frame.schema.items():
            if str(dtype).startswith(NO_CELLS):
                way_out = "make a column of each part, or leave it out"
                raise BadTable(
                    f"The column {str(name)!r} is of type {dtype}, which no model takes: {way_out}.", "bad_table"
                )

    def part(self, name: str, model: Saved) -> Part:
        wanted = self._as_numbers(model)
        if wanted is None:
            plain = Part(name, self._csv, None)
            if not (arrow.can_send(self._frame) and len(set(self._names)) == len(self._names)):
                return plain
            return Part(name, lambda: arrow.stream(self._frame, self._names), None, plain=plain)
        frame = self._frame.select(wanted)
        head = npy.header((len(frame), len(wanted)), np.dtype(np.float64))

        def encoded() -> Iterator[bytes]:
            yield head
            for block in npy.blocks(len(frame), len(wanted) * CELL_BYTES):
                yield _floats(frame[block]).tobytes()

        return Part(name, encoded, len(head) + len(frame) * len(wanted) * CELL_BYTES)

    def head(self, rows: int, model: Saved) -> Any:
        frame = self._frame.head(rows)
        known = model.features and set(model.features) <= set(self._frame.columns)
        return (frame.select(model.features) if known else frame).to_native()

    def data(self, features: Sequence[str], rows: slice) -> Any:
        if not set(features) <= set(self._names):
            return None
        frame = self._frame.select([self._frame.columns[self._names.index(name)] for name in features])[rows]
        return _floats(frame) if self._is_numeric else np.array(list(frame.iter_rows()), dtype=object)

    def _as_numbers(self, model: Saved) -> list[Any] | None:
        """The columns to send without their names; None where names or cells would be lost."""
        if not self._is_numeric:
            return None
        unnamed = self._names == [str(place) for place in range(len(self._names))]
        if unnamed and model.library and model.features is None:
            return list(self._frame.columns)
        same = model.features and sorted(model.features) == sorted(self._names)
        return [self._frame.columns[self._names.index(name)] for name in model.features or ()] if same else None

    def _csv(self) -> Iterator[bytes]:
        """Text is quoted and numbers are not, so that no cell is taken for a separator."""
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(self._names)
        for block in npy.blocks(len(self._frame), len(self._names) * CELL_BYTES * 4):
            writer.writerows(map(_cell, row) for row in self._frame[block].iter_rows())
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()


def _array(table: Any) -> Any:
    """Two dimensions of numbers. Raises BadTable."""
    try:
        array = np.asarray(table)
        if array.dtype.kind not in f"{NUMBERS}f" or array.dtype.itemsize > CELL_BYTES:
            array = array.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise BadTable(f"The rows are not all numbers ({error}). Put text into a data frame.", "bad_table") from None
    if array.ndim != DIMENSIONS or not array.shape[1]:
        way_out = "it must be (rows, columns): rows.reshape(-1, 1) for one column, rows.reshape(1, -1) for one row"
        raise BadTable(f"The rows have the shape {array.shape}; {way_out}.", "bad_table")
    return array


def _floats(frame: Any) -> npy.Floats:
    """(rows, columns), missing ones NaN."""
    import narwhals as nw

    found: npy.Floats = np.empty((len(frame), len(frame.columns)))
    for place, name in enumerate(frame.columns):
        column = frame[name].cast(nw.Float64)
        found[:, place] = column.to_numpy() if not column.null_count() else column.fill_null(float("nan")).to_numpy()
    return found


def _cell(value: Any) -> Any:
    """What is missing, in whatever way, is nothing."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"} or (isinstance(value, float) and isnan(value)):
        return ""
    return value
