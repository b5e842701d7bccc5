"""Rows as the engine reads them: in blocks, a column for every feature and kind of treatment of missing values.

What a split would have to ask about a missing value is answered here, once for all trees: the engine compares with
`<=` and nothing else. NaN compares false, so it goes right; minus infinity goes left.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shaptrees.arrays import Floats, Ints, Trees
from shaptrees.rules import ZERO_BOUND, Missing

CACHE_LINE = 64


@dataclass(frozen=True)
class Columns:
    """`rows` (n, slots), and for each node the slot to look at and the threshold to compare with."""

    rows: Floats
    slot: Ints
    threshold: Floats

    def arrays(self, trees: Trees) -> tuple[NDArray[Any], ...]:
        """The nodes of the trees, as the kernel takes them."""
        return (
            trees.offsets,
            trees.left,
            trees.right,
            trees.feature,
            self.slot,
            self.threshold,
            trees.rule,
            trees.set_start,
            trees.set_words,
            trees.sets,
            trees.left_share,
            trees.cover,
            trees.values,
            trees.tree_output,
        )

    def blocks(self, lanes: int) -> Floats:
        """(blocks, slots, lanes): the rows in blocks of `lanes`, the last one filled up with zeros."""
        n, slots = self.rows.shape
        blocks = aligned((-(-n // lanes), slots, lanes))
        full = n // lanes
        blocks[:full] = self.rows[: full * lanes].reshape(full, lanes, slots).transpose(0, 2, 1)
        if n % lanes:
            blocks[full, :, : n % lanes] = self.rows[full * lanes :].T
        return blocks


def aligned(shape: tuple[int, ...]) -> Floats:
    """Zeros that begin at a cache line, which is where vectors are read fastest."""
    size = math.prod(shape)
    room = np.zeros(size + CACHE_LINE // 8)
    first = -room.ctypes.data % CACHE_LINE // 8
    return room[first : first + size].reshape(shape)


def columns(trees: Trees, x: NDArray[np.floating]) -> Columns:
    """Columns of the rows (n, F) for these trees, with no new array a node. Raises FeatureCount."""
    rows = trees.read(x)
    if not (np.isnan(rows).any() or trees.missing_kinds[-1] >= Missing.ZERO_TOO_RIGHT):
        return Columns(rows=rows, slot=trees.feature, threshold=trees.bound)
    return Columns(
        rows=np.hstack([_treated(rows, kind) for kind in trees.missing_kinds]), slot=trees.slot, threshold=trees.bound
    )


def _treated(rows: Floats, kind: Missing) -> Floats:
    if kind == Missing.RIGHT:
        return rows
    if kind == Missing.AS_ZERO:
        return np.where(np.isnan(rows), 0.0, rows)
    absent = np.isnan(rows)
    if kind in (Missing.ZERO_TOO_RIGHT, Missing.ZERO_TOO_LEFT):
        absent |= np.abs(rows) <= ZERO_BOUND
    return np.where(absent, -np.inf if kind in (Missing.LEFT, Missing.ZERO_TOO_LEFT) else np.nan, rows)
