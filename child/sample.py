"""What is kept of the rows of a chunk that are in the job's sample. Used in children.

Does not draw them: see `jobs.sample`.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from child.models.model import Rows
from child.prepared import Prepared
from child.rows.words import Words
from jobs.records import Layout
from jobs.sample import TEXT_BYTES, Cell, SampledRows

Sources = Sequence[int | None]
"""Where each column of the values stands in the rows; None for one that is a mixture of theirs."""


def sources(prepared: Prepared, found: Layout) -> Sources:
    """For the columns of the job's values."""
    place = {name: index for index, name in enumerate(found.features)}
    return [place.get(name) for name in prepared.info.values_of(found)]


def of_block(
    prepared: Prepared, rows: Rows, values: Rows, first: int, *, wanted: Sequence[int], columns: Sources
) -> SampledRows:
    """Those of a block's rows, the first of which is number `first`, that are `wanted`."""
    numbers = [row for row in wanted if first <= row < first + len(rows)]
    picked = [row - first for row in numbers]
    effects = values.sum(axis=2) if values.ndim == 4 and picked else values  # noqa: PLR2004 - interactions add up
    return SampledRows(
        rows=numbers,
        data=[[_cell(row, at, prepared.model.words) for at in columns] for row in rows[picked].tolist()],
        values=_bytes(effects[picked]) if picked else b"",
        predictions=_bytes(prepared.predict(rows[picked])) if picked else b"",
    )


def merged(blocks: Sequence[SampledRows]) -> SampledRows | None:
    """Of a chunk whose rows were explained in several blocks; None where none of them is in the sample."""
    found = [block for block in blocks if block.rows]
    if not found:
        return None
    return SampledRows(
        rows=[row for block in found for row in block.rows],
        data=[row for block in found for row in block.data],
        values=b"".join(block.values for block in found),
        predictions=b"".join(block.predictions for block in found),
    )


def _cell(row: Sequence[float], at: int | None, words: Mapping[int, Words]) -> Cell:
    if at is None or math.isnan(row[at]):
        return None
    if at not in words:
        return row[at]
    cell = words[at].values[int(row[at])]
    return cut(cell) if isinstance(cell, str) else float(cell)


def cut(text: str) -> str:
    """As much of it as is kept: whole characters of at most TEXT_BYTES."""
    return text.encode(errors="replace")[:TEXT_BYTES].decode(errors="ignore")


def _bytes(array: Rows) -> bytes:
    return np.ascontiguousarray(array, dtype="<f8").tobytes()
