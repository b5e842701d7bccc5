"""The sample: some rows of a job that are kept with their values, to be shown. Which ones, and what is kept of each.

Drawn alike by every child and checked by its supervisor: which rows it is follows from the job alone. Does not read
rows (`child.sample`) nor draw charts (`plots`).
"""

import hashlib
from typing import Annotated

import msgspec

MOST_BYTES = 6 * 1024 * 1024
"""Of a whole sample: of wide rows fewer are kept. One chunk may hold all of it, and tells it in one frame."""
CELL_BYTES, FLOAT_BYTES = 64, 8
"""Allowed for a cell as it was given, and for a value."""
TEXT_BYTES = 60
"""Of a cell of text, in UTF-8; what is longer is cut."""

RowId = Annotated[str, msgspec.Meta(max_length=200)] | int | float | None
"""What the column that the job names as `id_column` has; None where its cell is empty."""
Cell = float | Annotated[str, msgspec.Meta(max_length=TEXT_BYTES)] | None
"""As the data has it; None where it is missing."""


class SampledRows(msgspec.Struct, kw_only=True):
    """The sampled rows of one chunk, or of a whole job."""

    rows: list[int]
    """Their numbers in the whole data, from 0 and ascending."""
    data: list[list[Cell]]
    """(rows, features), in the order of the values; None also for what is a mixture of the data's columns."""
    values: bytes
    """float64, little-endian: (rows, features, outputs). Of interactions, each feature's sum."""
    predictions: bytes
    """The same: (rows, outputs), of the output that is explained."""
    ids: list[RowId] = []
    """One a row, where the job has an `id_column`."""

    def fits(self, rows: list[int], features: int, outputs: int) -> bool:
        """Whether these are those rows, whole."""
        cells = len(rows) * outputs * FLOAT_BYTES
        shaped = len(self.data) == len(rows) and all(len(row) == features for row in self.data)
        shaped = shaped and len(self.ids) in (0, len(rows))
        return self.rows == rows and shaped and (len(self.values), len(self.predictions)) == (cells * features, cells)


def most_rows(wanted: int, features: int, outputs: int) -> int:
    """Of `wanted` rows, as many as MOST_BYTES hold; at least one, unless none is wanted."""
    row_bytes = max(1, features) * (CELL_BYTES + outputs * FLOAT_BYTES)
    return min(wanted, max(1, MOST_BYTES // row_bytes))


def drawn(first: int, last: int, *, total: int, most: int, seed: int) -> list[int]:
    """The sampled rows among `first` to `last` (inclusive) of `total`, ascending.

    The data is cut into `most` equal stretches and one row of each is drawn: the whole is covered, however its rows
    are ordered, and each span knows its own rows without the others.
    """
    count = min(most, total)
    if not count:
        return []
    stretches = range(_stretch(first, total, count), _stretch(last, total, count) + 1)
    rows = (_row(number, total, count, seed) for number in stretches)
    return [row for row in rows if first <= row <= last]


def _stretch(row: int, total: int, count: int) -> int:
    """The number of the stretch in which a row lies."""
    return ((row + 1) * count - 1) // total


def _row(stretch: int, total: int, count: int, seed: int) -> int:
    start, end = stretch * total // count, (stretch + 1) * total // count
    digest = hashlib.blake2b(f"{seed}:{stretch}".encode(), digest_size=8).digest()
    return start + int.from_bytes(digest) % (end - start)
