"""Interventional values in NumPy, for a machine without the C kernel: kernel_background.h says how, without its tables.

Leaf by leaf, with matrices of ones where a row (or a background row) misses a feature of the path.
"""

from math import factorial

import numpy as np

from jobs.work.trees.arrays import ALL_OUTPUTS, Floats, Rule, Trees
from jobs.work.trees.columns import Columns


def accumulate(trees: Trees, both: Columns, n: int, weights: Floats) -> Floats:
    """(n, K, F): values of the first n rows against the others, which are weighted (N,)."""
    phi = np.zeros((n, len(trees.base), trees.features))
    for tree in range(trees.trees):
        output = trees.tree_output[tree]
        own = phi if output == ALL_OUTPUTS else phi[:, output : output + 1]
        _walk(trees, both, weights, root=int(trees.offsets[tree]), phi=own)
    return phi


def _walk(trees: Trees, both: Columns, weights: Floats, *, root: int, phi: Floats) -> None:
    """Adds one tree's values to phi (n, V, F)."""
    waiting: list[tuple[int, dict[int, np.ndarray]]] = [(root, {})]
    while waiting:
        node, misses = waiting.pop()
        if not trees.inner[node]:
            if misses:
                _add_leaf(trees.values[node, : phi.shape[1]], misses, weights, phi)
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


def _add_leaf(value: Floats, misses: dict[int, np.ndarray], weights: Floats, phi: Floats) -> None:
    n = len(phi)
    missed = np.array(list(misses.values()), dtype=np.float64)  # (d, n + N)
    x, back = missed[:, :n], missed[:, n:]
    together = x.T @ back == 0  # (n, N): no feature is missed by both
    positive, negative = _weights(len(missed))
    u, a = x.sum(axis=0).astype(int)[:, None], back.sum(axis=0).astype(int)
    gains = np.where(together, positive[u, a], 0) * weights @ back.T  # (n, d)
    losses = (np.where(together, negative[u, a], 0) * weights).sum(axis=1)[:, None] * x.T
    phi[:, :, list(misses)] += value[:, None] * (gains - losses)[:, None]


def _weights(most: int) -> tuple[Floats, Floats]:
    """What each feature gets that a background row misses, and loses that a row misses: by misses of either."""
    positive, negative = np.zeros((most + 1, most + 1)), np.zeros((most + 1, most + 1))
    for u in range(most + 1):
        for a in range(most + 1 - u):
            positive[u, a] = factorial(a - 1) * factorial(u) / factorial(a + u) if a else 0
            negative[u, a] = factorial(a) * factorial(u - 1) / factorial(a + u) if u else 0
    return positive, negative
