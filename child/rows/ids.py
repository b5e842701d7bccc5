"""Columns beside the features, by name: `id_column`, which goes to results as it is, and `by`, which makes cohorts.

Used in children. Their cells are read on their own, after the rows. Does not look whether they differ.
"""

import math
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from child.parts import Source
from child.rows.matching import match
from child.rows.readers import read_rows
from child.rows.table import Table
from child.rows.words import Words, is_missing
from jobs.errors import BadCohorts, BadIdColumn
from jobs.protocol import MOST_IDS_BYTES, Ids
from jobs.records import Layout
from jobs.spans import Span

MOST_ROWS = 10_000
"""In a chunk whose rows have ids or labels: whoever writes results holds those of one chunk."""
MOST_CHARACTERS = 200


class IdWords(Words):
    """Cells as they are, each with its own code."""

    def __init__(self) -> None:
        super().__init__((), grows=True)
        self.as_text = True

    def code(self, cell: Any) -> float:
        if is_missing(cell) or cell == "":
            return math.nan
        self.values.append(str(cell)[:MOST_CHARACTERS] if isinstance(cell, str | bool) else cell)
        return float(len(self.values) - 1)

    def cells(self, codes: npt.NDArray[np.float64]) -> npt.NDArray[np.object_]:
        return np.array([None if math.isnan(code) else self.values[int(code)] for code in codes], dtype=object)


class Beside(NamedTuple):
    """The columns that are asked for."""

    id_column: str | None = None
    by: str | None = None

    def places(self, table: Table, field: str) -> tuple[int | None, int | None]:
        """Which columns they are. Raises BadIdColumn, BadCohorts."""
        return _place(table, self.id_column, field, BadIdColumn), _place(table, self.by, field, BadCohorts)


NONE_BESIDE = Beside()


def _place(table: Table, wanted: str | None, field: str, problem: type[BadIdColumn | BadCohorts]) -> int | None:
    if wanted is None:
        return None
    if table.columns is None:
        raise problem(field=field, column=wanted, reason="its columns have no names")
    if table.columns.count(wanted) == 1:
        return table.columns.index(wanted)
    (found,) = match(table.columns, [wanted]).places
    if found is None or table.columns.count(wanted):
        reason = "more than one column has that name" if table.columns.count(wanted) else "it has no such column"
        raise problem(field=field, column=wanted, reason=reason)
    return found


def cells(source: Source, span: Span, layout: Layout, at: int) -> list[Any]:
    """Those of the span's rows: text, numbers, None where one is missing. Raises as `read_rows`."""
    words = IdWords()
    alone = msgspec.structs.replace(layout, features=[layout.columns[at]], order=[at])
    codes = read_rows(source, span, alone, {0: words})[:, 0]
    return list(words.cells(codes).tolist())


def read(source: Source, span: Span, layout: Layout, at: int) -> Ids:
    """As a message. Raises as `cells`, and BadIdColumn."""
    raw = msgspec.msgpack.encode(cells(source, span, layout, at))
    if len(raw) > MOST_IDS_BYTES:
        reason = f"those of rows {span.first} to {span.last} take {len(raw)} bytes, over the {MOST_IDS_BYTES} allowed"
        raise BadIdColumn(field=source.field, column=layout.columns[at], reason=reason)
    return Ids(raw)
