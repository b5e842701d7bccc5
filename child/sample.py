"""What is kept of the rows of a chunk that are in the job's sample. Used in children.

Does not draw them: see `jobs.sample`.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np

from child.models.model import Rows
from child.prepared import Prepared
from child.rows.words import Words
from jobs.records import Layout
from jobs.sample import FLOAT_BYTES, TEXT_BYTES, Cell, RowId, SampledRows

CELL_BYTES = 48
"""Of a cell as a Python object in a list and in the message that tells it: measured."""
Sources = Sequence[int | None]
"""Where each column of the values stands in the rows; None for one that is a mixture of theirs."""


def sources(prepared: Prepared, found: Layout) -> Sources:
    """For the columns of the job's values."""
    place = {name: index for index, name in enumerate(found.features)}
    return [place.get(name) for name in prepared.info.values_of(found)]


class Sampler:
    """Keeps a chunk's rows of the sample, block by block.

    In arrays that are made before any block: what is kept of one would lie where the next one's values could.
    """

    def __init__(self, prepared: Prepared, found: Layout, wanted: Sequence[int]) -> None:
        """`wanted`: numbers of rows in the whole data, ascending."""
        self._prepared, self._wanted = prepared, list(wanted)
        self._sources, rows, outputs = sources(prepared, found), len(wanted), len(prepared.info.outputs)
        self._given = np.empty((rows, prepared.model.n_features))
        self._values = np.empty((rows, len(self._sources), outputs), dtype="<f8")
        self._predictions = np.empty((rows, outputs), dtype="<f8")

    def take(self, rows: Rows, values: Rows, predictions: Rows, first: int) -> None:
        """From a block, whose first row is number `first`; values are (rows, features[, features], outputs), what the
        model predicts (rows, outputs).
        """
        start, end = bisect_left(self._wanted, first), bisect_left(self._wanted, first + len(rows))
        if start == end:
            return
        picked = [row - first for row in self._wanted[start:end]]
        self._given[start:end] = rows[picked]
        effects = values.sum(axis=2) if values.ndim == 4 else values  # noqa: PLR2004 - interactions add up to effects
        self._values[start:end] = effects[picked]
        self._predictions[start:end] = predictions[picked]

    def kept(self, ids: Sequence[RowId] = ()) -> SampledRows | None:
        """All that was taken, once there are no blocks any more; None of a chunk without rows of the sample."""
        if not self._wanted:
            return None
        words = self._prepared.model.words
        return SampledRows(
            rows=self._wanted,
            data=[[_cell(row, at, words) for at in self._sources] for row in self._given.tolist()],
            values=self._values.tobytes(),
            predictions=self._predictions.tobytes(),
            ids=list(ids),
        )


def sampler_bytes(prepared: Prepared, rows: int) -> int:
    """What a Sampler of so many rows adds to a child's peak: its arrays, and at the end their cells as objects."""
    outputs = len(prepared.info.outputs)
    columns = len(prepared.info.columns or ()) or prepared.model.n_features
    arrays = FLOAT_BYTES * rows * (prepared.model.n_features + (columns + 1) * outputs)
    return arrays + CELL_BYTES * rows * columns


def _cell(row: Sequence[float], at: int | None, words: Mapping[int, Words]) -> Cell:
    if at is None or math.isnan(row[at]):
        return None
    if at not in words:
        return row[at]
    cell = words[at].values[int(row[at])]
    return float(cell) if isinstance(cell, float | bool) else cut(str(cell))


def cut(text: str) -> str:
    """As much of it as is kept: whole characters of at most TEXT_BYTES."""
    return text.encode(errors="replace")[:TEXT_BYTES].decode(errors="ignore")
