"""The column that `id_column` names: it goes to results as it is, beside the values. Used in children.

Its cells are read on their own, after the rows. Does not look whether they differ.
"""

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from child.parts import Source
from child.rows.matching import match
from child.rows.readers import read_rows
from child.rows.table import Table
from child.rows.words import Words, is_missing
from jobs.errors import BadIdColumn
from jobs.protocol import MOST_IDS_BYTES, Ids
from jobs.records import Layout
from jobs.spans import Span

MOST_ROWS = 10_000
"""In a chunk whose rows have ids: whoever writes results holds those of one chunk."""
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


def place(table: Table, wanted: str | None, field: str) -> int | None:
    """Which column it is; None where none is asked for. Raises BadIdColumn."""
    if wanted is None:
        return None
    if table.columns is None:
        raise BadIdColumn(field=field, column=wanted, reason="its columns have no names")
    if table.columns.count(wanted) == 1:
        return table.columns.index(wanted)
    (found,) = match(table.columns, [wanted]).places
    if found is None or table.columns.count(wanted):
        reason = "more than one column has that name" if table.columns.count(wanted) else "it has no such column"
        raise BadIdColumn(field=field, column=wanted, reason=reason)
    return found


def read(source: Source, span: Span, layout: Layout, at: int) -> Ids:
    """Those of the span's rows: text, numbers, None where one is missing. Raises as `read_rows`, and BadIdColumn."""
    name, words = layout.columns[at], IdWords()
    alone = msgspec.structs.replace(layout, features=[name], order=[at])
    codes = read_rows(source, span, alone, {0: words})[:, 0]
    raw = msgspec.msgpack.encode(words.cells(codes).tolist())
    if len(raw) > MOST_IDS_BYTES:
        reason = f"those of rows {span.first} to {span.last} take {len(raw)} bytes, over the {MOST_IDS_BYTES} allowed"
        raise BadIdColumn(field=source.field, column=name, reason=reason)
    return Ids(raw)
