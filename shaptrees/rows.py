"""Tables as callers have them, as rows (n, F) in double precision. Runs where the library is used.

Takes NumPy arrays, lists, data frames of pandas and polars (or whatever NumPy can make an array of), SciPy's sparse
matrices, XGBoost's DMatrix, and single rows. Imports none of these libraries. Does not know models: a `Reading` says
what a model makes of a cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shaptrees.arrays import Floats


@dataclass(frozen=True)
class Reading:
    """What a model's library does to a table before its trees see it."""

    absent: float = 0.0
    """What a cell is that a sparse matrix leaves out."""
    missing: float = np.nan
    """The number that stands for a missing value."""
    categories: Sequence[list[Any] | None] = field(default_factory=list)
    """Of a data frame's columns of categories, in their order: the values whose positions the trees know, or None where
    they know those of the table."""
    closed: bool = False
    """Whether a value that is none of these is refused, and no missing one."""


def rows(table: Any, reading: Reading) -> tuple[Floats, bool]:
    """Rows (n, F), and whether the table was a single row. Raises ValueError for what is no table of numbers."""
    if hasattr(table, "get_data") and hasattr(table, "num_row"):  # XGBoost's DMatrix
        table = _matrix(table, reading)
    if hasattr(table, "tocsr"):
        return _dense(table.tocsr(), reading), False
    found = _numbers(_encoded(table, reading))
    single = found.ndim == 1
    found = np.atleast_2d(found)
    if found.ndim != 2:  # noqa: PLR2004 - a table
        raise ValueError(f"a table of rows has two dimensions, not {found.ndim}")
    return _without(found, reading), single


def names(table: Any) -> list[str] | None:
    """The names of a data frame's columns."""
    return None if isinstance(table, np.ndarray) or not hasattr(table, "columns") else list(table.columns)


def values(table: Any) -> Any:
    """What an explanation keeps as its data: an array for a data frame, what a DMatrix holds, or the table itself."""
    if hasattr(table, "get_data") and hasattr(table, "num_row"):
        return table.get_data()
    return table.to_numpy() if hasattr(table, "to_numpy") else table


def _matrix(table: Any, reading: Reading) -> Any:
    """What a DMatrix holds: of a data frame's categories codes by the frame's own lists, which are hidden in it."""
    own = table.get_categories() if reading.categories and hasattr(table, "get_categories") else None
    if own is not None and not own.empty():
        raise ValueError(
            "a DMatrix of a data frame codes categories by the frame's own lists: pass the data frame itself"
        )
    return table.get_data()


def _numbers(table: Any) -> Floats:
    found = table.to_numpy() if hasattr(table, "to_numpy") else np.asarray(table)
    try:
        return np.asarray(found, dtype=np.float64)  # of objects, None becomes NaN
    except (TypeError, ValueError) as fault:
        raise ValueError(f"the table holds something that is not a number: {fault}") from fault


def _dense(sparse: Any, reading: Reading) -> Floats:
    """Cells that are stored twice are added up, as in `toarray`."""
    if reading.absent == 0:
        return _without(np.asarray(sparse.toarray(), dtype=np.float64), reading)
    sparse.sum_duplicates()
    found = np.full(sparse.shape, reading.absent)
    found[np.repeat(np.arange(sparse.shape[0]), np.diff(sparse.indptr)), sparse.indices] = sparse.data
    return _without(found, reading)


def _without(found: Floats, reading: Reading) -> Floats:
    """XGBoost compares with its marker for missing values in single precision."""
    if np.isnan(reading.missing):
        return found
    return np.where(found.astype(np.float32) == np.float32(reading.missing), np.nan, found)


def _encoded(table: Any, reading: Reading) -> Any:
    """A pandas data frame with positions in `categories` for the values of its columns of categories."""
    if not reading.categories or not hasattr(table, "dtypes") or isinstance(table, np.ndarray) or table.ndim == 1:
        return table
    places = [place for place, kind in enumerate(table.dtypes) if str(kind) == "category"]
    if len(places) != len(reading.categories):
        raise ValueError(
            f"the model knows {len(reading.categories)} columns of categories, the table has {len(places)}"
        )
    columns = {table.columns[place]: known for place, known in zip(places, reading.categories, strict=True)}
    return table.assign(**{name: _positions(table[name], known, reading) for name, known in columns.items()})


def _positions(column: Any, known: list[Any] | None, reading: Reading) -> Floats:
    coded = column if known is None else column.cat.set_categories(known)
    codes = np.asarray(coded.cat.codes, dtype=np.float64)
    unknown = column[(codes < 0) & column.notna().to_numpy()]
    if reading.closed and len(unknown):
        raise ValueError(f"column {column.name} holds {unknown.iloc[0]}, none of the categories that the model knows")
    return np.where(codes < 0, np.nan, codes)
