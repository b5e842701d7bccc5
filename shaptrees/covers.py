"""Trees with other covers, or fewer of them. Runs where the library is used.

Covers say how often a split was passed either way: in training, or by the rows of a background.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shaptrees.arrays import Floats, Trees

NOBODY = 1e-6
"""The cover of a node that no row reaches, so that its parent's share is small and not zero (as in shap)."""
_PER_NODE = ("left", "right", "feature", "threshold", "rule", "missing", "set_start", "set_words", "cover", "values")
_CELLS = 1 << 20
"""Rows times trees that are followed at a time."""


def are_known(trees: Trees) -> bool:
    """Whether anything says how many rows of training came by: some files do not."""
    return not trees.inner.any() or bool(trees.cover.any())


def of_rows(trees: Trees, x: NDArray[np.floating]) -> Trees:
    """The trees with the number of rows (n, F) that reach each node as its cover. Raises FeatureCount."""
    seen, counts = trees.read(x), np.zeros(len(trees.cover))
    piece = max(1, _CELLS // trees.trees)
    for first in range(0, len(seen), piece):
        for node in steps(trees, seen[first : first + piece]):
            counts += np.bincount(node.ravel()[node.ravel() >= 0], minlength=len(counts))
    return replace(trees, cover=np.where(counts, counts, NOBODY))


def steps(trees: Trees, seen: Floats) -> "list[NDArray[np.int64]]":
    """Arrays (n, T): the nodes that rows, as `Trees.read` gives them, are at after each step; -1 beyond a leaf."""
    node = np.tile(trees.offsets[:-1].astype(np.int64), (len(seen), 1))
    found = [node]
    while (row_tree := np.nonzero((node >= 0) & trees.inner[node]))[0].size:
        row, tree = row_tree
        at = node[row, tree]
        left = trees.goes_left(at, seen[row, trees.feature[at]])
        node = np.full_like(node, -1)
        node[row, tree] = trees.offsets[tree] + np.where(left, trees.left[at], trees.right[at])
        found.append(node)
    return found


def first_trees(trees: Trees, count: int) -> Trees:
    """The first of the trees. Raises ValueError for none."""
    if count < 1:
        raise ValueError(f"tree_limit is at least one tree, not {count}")
    if count >= trees.trees:
        return trees
    nodes = trees.offsets[count]
    arrays = {name: getattr(trees, name)[:nodes] for name in _PER_NODE}
    return replace(trees, offsets=trees.offsets[: count + 1], tree_output=trees.tree_output[:count], **arrays)
