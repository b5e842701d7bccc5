"""Interventional values in NumPy, for a machine without the C kernel: kernel_background.h says how, without its tables.

Leaf by leaf, with matrices of ones where a row (or a background row) misses a feature of the path.
"""

from dataclasses import replace
from functools import cache
from math import factorial

import numpy as np

from shaptrees.arrays import Floats, Trees
from shaptrees.columns import Columns
from shaptrees.rules import ALL_OUTPUTS, Rule

CELLS = 1 << 18
"""Numbers in an array of rows against background rows: rows are taken in pieces of so many."""
FEWEST_AGAINST = 64


def accumulate(trees: Trees, both: Columns, n: int, weights: Floats, *, pairs: bool) -> Floats:
    """(n, K, F): values of the first n rows against the others, which are weighted (N,).

    Or pairs (n, K, F, F): half of each above the diagonal, and the values on it.
    """
    cells = (trees.features,) * (2 if pairs else 1)
    phi = np.zeros((n, len(trees.base), *cells))
    piece = max(1, CELLS // max(FEWEST_AGAINST, len(weights)))
    for first in range(0, n, piece):
        some = replace(both, rows=np.concatenate([both.rows[:n][first : first + piece], both.rows[n:]]))
        for tree in range(trees.trees):
            output = trees.tree_output[tree]
            own = phi[first : first + piece]
            _walk(
                trees,
                some,
                weights,
                root=int(trees.offsets[tree]),
                phi=own if output == ALL_OUTPUTS else own[:, output : output + 1],
            )
    return phi


def _walk(trees: Trees, both: Columns, weights: Floats, *, root: int, phi: Floats) -> None:
    """Adds one tree's values to phi (n, V, F), or its pairs to phi (n, V, F, F)."""
    pairs = phi.ndim == 4  # noqa: PLR2004
    waiting: list[tuple[int, dict[int, np.ndarray]]] = [(root, {})]
    while waiting:
        node, misses = waiting.pop()
        if not trees.inner[node]:
            if misses:
                leaf = _Leaf(misses, len(phi), weights)
                value = trees.values[node, : phi.shape[1]]
                (leaf.add_pairs if pairs else leaf.add)(value, phi)
            continue
        left, feature = _goes_left(trees, both, node), int(trees.feature[node])
        for child, missed in ((trees.left[node], ~left), (trees.right[node], left)):
            seen = misses.get(feature, np.zeros(len(left), dtype=bool))
            waiting.append((root + int(child), misses | {feature: seen | missed}))


def _goes_left(trees: Trees, both: Columns, node: int) -> np.ndarray:
    x = both.rows[:, both.slot[node]]
    if trees.rule[node] == Rule.THRESHOLD:
        left: np.ndarray = x <= both.threshold[node]
        return left
    return trees.goes_left(np.full(len(x), node), np.where(np.isneginf(x), np.nan, x))


class _Leaf:
    """Who misses which of the d distinct features on the path to a leaf."""

    def __init__(self, misses: dict[int, np.ndarray], n: int, weights: Floats) -> None:
        missed = np.array(list(misses.values()), dtype=np.float64)  # (d, n + N)
        self.features = np.array(list(misses))
        self.x, self.back = missed[:, :n].T, missed[:, n:].T
        self.worth = np.where(self.x @ self.back.T == 0, weights, 0)  # (n, N): none is missed by both
        self.u, self.a = self.x.sum(axis=1).astype(int)[:, None], self.back.sum(axis=1).astype(int)

    def values(self) -> Floats:
        """(n, d), for a leaf of value 1."""
        positive, negative = _weights(self.x.shape[1])
        gains = self.worth * positive[self.u, self.a] @ self.back
        return np.asarray(gains - (self.worth * negative[self.u, self.a]).sum(axis=1)[:, None] * self.x)

    def add(self, value: Floats, phi: Floats) -> None:
        """To phi (n, V, F)."""
        phi[:, :, self.features] += value[:, None] * self.values()[:, None]

    def add_pairs(self, value: Floats, phi: Floats) -> None:
        """To phi (n, V, F, F), above the diagonal, and values on it."""
        x, back = self.x, self.back
        both, one, none = (self.worth * weight[self.u, self.a] for weight in _pair_weights(x.shape[1]))
        given = np.einsum("nb,bi,bj->nij", both, back, back)
        gained = one @ back
        given -= gained[:, :, None] * x[:, None] + x[:, :, None] * gained[:, None]
        given += none.sum(axis=1)[:, None, None] * x[:, :, None] * x[:, None]
        given[:, *np.diag_indices(x.shape[1])] = self.values()
        here, there = np.meshgrid(self.features, self.features, indexing="ij")
        upper = here <= there
        phi[:, :, here[upper], there[upper]] += value[:, None] * given[:, None, upper]


@cache
def _weights(most: int) -> tuple[Floats, Floats]:
    """What each feature gets that a background row misses, and loses that a row misses: by misses of either."""
    positive, negative = np.zeros((most + 1, most + 1)), np.zeros((most + 1, most + 1))
    for u in range(most + 1):
        for a in range(most + 1 - u):
            positive[u, a] = factorial(a - 1) * factorial(u) / factorial(a + u) if a else 0
            negative[u, a] = factorial(a) * factorial(u - 1) / factorial(a + u) if u else 0
    return positive, negative


@cache
def _pair_weights(most: int) -> tuple[Floats, Floats, Floats]:
    """Half of what a pair of features gets that a background row misses both, one, or none of, a row the others."""
    both, one, none = (np.zeros((most + 1, most + 1)) for _ in range(3))
    for u in range(most + 1):
        for a in range(most + 1 - u):
            whole = 2 * factorial(max(a + u - 1, 0))
            both[u, a] = factorial(a - 2) * factorial(u) / whole if a > 1 else 0
            one[u, a] = factorial(a - 1) * factorial(u - 1) / whole if a and u else 0
            none[u, a] = factorial(a) * factorial(u - 2) / whole if u > 1 else 0
    return both, one, none
