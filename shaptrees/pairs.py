"""Pairs of features that meet on a path: only these interact, and only these are kept.

A pair is there once, its lower feature first, in the order of a matrix above its diagonal. Knows no trees.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """P pairs of F features."""

    features: int
    codes: Places
    """(P,): lower * F + upper, sorted."""

    @cached_property
    def first(self) -> Ints:
        """(P,): the lower feature of each pair."""
        first: Ints = (self.codes // self.features).astype(np.int32)
        return first

    @cached_property
    def second(self) -> Ints:
        """(P,): the upper feature of each pair."""
        second: Ints = (self.codes % self.features).astype(np.int32)
        return second

    @cached_property
    def start(self) -> Ints:
        """(F + 1,): for each feature, the first pair in which it is the lower one."""
        start: Ints = np.searchsorted(self.codes, np.arange(self.features + 1) * self.features).astype(np.int32)
        return start

    def prepare(self) -> None:
        """Makes its arrays, so that children forked later share them."""
        for name in ("first", "second", "start"):
            getattr(self, name)

    @property
    def cells(self) -> int:
        """F + P, the numbers that are kept of a row: of each feature, then of each pair."""
        return self.features + len(self.codes)

    def cell(self, one: Places, other: Places) -> Places:
        """Where pairs of features (m,) and (m,) are kept; all have to be among them."""
        codes = np.minimum(one, other) * self.features + np.maximum(one, other)
        return self.features + np.searchsorted(self.codes, codes)

    def settle(self, kept: Floats) -> None:
        """Of rows (n, K, F + P), SHAP values and half of each pair: leaves of the values what the pairs do not take."""
        values, halves = kept[:, :, : self.features], kept[:, :, self.features :]
        for row, output in np.ndindex(kept.shape[:2]):
            for side in (self.first, self.second):
                values[row, output] -= np.bincount(side, halves[row, output], self.features)

    def matrices(self, kept: Floats) -> Floats:
        """Of the same rows, the symmetric matrices (n, K, F, F)."""
        dense = np.zeros((*kept.shape[:2], self.features, self.features))
        halves = kept[:, :, self.features :]
        dense[:, :, self.first, self.second] = halves
        dense[:, :, self.second, self.first] = halves
        np.einsum("nkii->nki", dense)[:] = kept[:, :, : self.features] - dense.sum(axis=3)
        return dense


def meeting(features: int, feature: Ints, parent: Places) -> Places:
    """The codes of those that some path has both of, from each split's feature (m,) and the split above it (m,), -1 for
    none; sorted.
    """
    found, split, above = [np.zeros(0, dtype=np.int64)], np.arange(len(feature)), parent
    while len(split := split[above >= 0]):
        above = above[above >= 0]
        one, other = feature[split].astype(np.int64), feature[above].astype(np.int64)
        codes = np.minimum(one, other) * features + np.maximum(one, other)
        found.append(distinct(codes[one != other]))
        above = parent[above]
    return distinct(np.concatenate(found))


def distinct(codes: Places) -> Places:
    """Sorted, each once. NumPy 2.4's own `unique` takes a hundred times as long for such numbers."""
    codes = np.sort(codes)
    different: Places = codes[np.append(True, codes[1:] != codes[:-1])[: len(codes)]]
    return different
