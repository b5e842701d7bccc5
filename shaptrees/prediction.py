"""What a tree ensemble predicts, fast. Links (probabilities) are not applied."""

import numpy as np
from numpy.typing import NDArray

from shaptrees import levels
from shaptrees.arrays import Floats, Trees
from shaptrees.columns import columns
from shaptrees.rules import ALL_OUTPUTS

CELLS = 1 << 17
"""Leaves that NumPy looks up at once: it takes some 60 bytes for each."""


def predict(trees: Trees, x: NDArray[np.floating], *, level: str | None = None) -> Floats:
    """The model's raw output for rows x (n, F): (n, K), in double precision; `Trees.predict` to 1e-12, and faster.

    Errors as for `engine.shap_values`.
    """
    compiled = levels.at(level)
    if compiled is None:
        piece = max(1, CELLS // (trees.trees * trees.values.shape[1]))
        return np.concatenate([trees.predict(x[first : first + piece]) for first in range(0, max(1, len(x)), piece)])
    kernel, _ = compiled
    seen = columns(trees, x)
    out = np.zeros((len(seen.rows), len(trees.base)))
    arrays = (*seen.arrays(trees), levels.points(kernel.MOST_POINTS), np.ascontiguousarray(seen.rows), out)
    kernel.predict(arrays, seen.rows.shape[1], trees.features, len(trees.base))
    out += trees.base
    return np.hstack([1 - out, out]) if trees.complement else out


def stages(trees: Trees, x: NDArray[np.floating]) -> Floats:
    """The raw output for rows x (n, F) after each tree: (T, n, K). Takes T times what `predict` gives."""
    leaves = trees.leaf_values(x)
    added = np.zeros((trees.trees, len(leaves), len(trees.base)))
    for tree, output in enumerate(trees.tree_output):
        if output == ALL_OUTPUTS:
            added[tree] = leaves[:, tree]
        else:
            added[tree, :, output] = leaves[:, tree, 0]
    total = trees.base + np.cumsum(added, axis=0)
    return np.concatenate([1 - total, total], axis=2) if trees.complement else total
