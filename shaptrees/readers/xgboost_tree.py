"""One tree of an XGBoost model: every index in it checked, also those that only XGBoost follows, and made into arrays.

Thresholds and leaf values are float32 in XGBoost. Leaves hold a number, or a vector with one for each target.
"""

from typing import Any

import numpy as np

from shaptrees.build import Part
from shaptrees.readers import checks
from shaptrees.readers.checks import integers
from shaptrees.rules import LEAF, WORD_BITS, Missing, Rule

MOST_CATEGORIES = 1 << 24
_NO_PARENT = (-1, 2**31 - 1)
_ARRAYS = ("right_children", "parents", "split_indices", "split_conditions", "default_left")
_STATISTICS = ("loss_changes", "sum_hessian")
_SETS = ("categories_nodes", "categories_segments", "categories_sizes")


def read(tree: dict[str, Any], index: int, n_features: int) -> Part:
    """Tree number `index`. Raises ValueError, KeyError or TypeError."""
    try:
        left, right = integers(tree["left_children"]), integers(tree["right_children"])
        feature = integers(tree["split_indices"])
        _check(tree, len(left))
        values = _leaf_values(tree, left, right)
        right = np.where(left == LEAF, LEAF, right) if width(tree) > 1 else right
        checks.check_tree(left, right, feature, n_features)
        _check_parents(integers(tree["parents"]), left, right)
        return _part(tree, left, right, feature, values)
    except ValueError as error:
        raise ValueError(f"tree {index}: {error}") from None


def _check(tree: dict[str, Any], nodes: int) -> None:
    if int(tree["tree_param"]["num_nodes"]) != nodes:
        raise ValueError(f"{nodes} nodes instead of {tree['tree_param']['num_nodes']}")
    # Up to 3.0 trees with vectors say neither what a split won nor how much came by.
    for name in (*_ARRAYS, *(_STATISTICS if width(tree) == 1 else ())):
        if len(tree[name]) != nodes:
            raise ValueError(f"{len(tree[name])} {name} for {nodes} nodes")
    if len(tree["base_weights"]) != nodes * width(tree):
        raise ValueError(f"{len(tree['base_weights'])} base_weights for {nodes} nodes")
    for name in ("base_weights", "sum_hessian"):
        checks.check_finite(f"a value in {name}", np.asarray(tree.get(name, ()), np.float64))
    # Beside a set of categories older versions left what happened to be in memory; nobody reads it.
    conditions, on_set = np.asarray(tree["split_conditions"], np.float64), _on_set(tree, nodes)
    on_set &= integers(tree["left_children"]) != LEAF
    checks.check_finite("a value in split_conditions", conditions[~on_set])


def width(tree: dict[str, Any]) -> int:
    """The size of a leaf's vector; 1 where leaves hold numbers."""
    return max(1, int(tree["tree_param"].get("size_leaf_vector", "1")))


def _leaf_values(tree: dict[str, Any], left: checks.Ints, right: checks.Ints) -> np.ndarray:
    """(nodes, size). Vectors are among the weights of nodes, or apart: leaves then have their place for a child."""
    size, leaf = width(tree), left == LEAF
    if size == 1:
        values = np.asarray(tree["split_conditions"], dtype=np.float32).astype(np.float64).reshape(-1, 1)
        return np.where(leaf[:, None], values, 0.0)
    values = np.asarray(tree["base_weights"], dtype=np.float32).astype(np.float64).reshape(-1, size)
    if "leaf_weights" in tree:
        apart = np.asarray(tree["leaf_weights"], dtype=np.float32).astype(np.float64).reshape(-1, size)
        checks.check_range("a leaf's place", right[leaf], len(apart))
        values[leaf] = apart[right[leaf]]
    checks.check_finite("a value of a leaf", values[leaf])
    return np.where(leaf[:, None], values, 0.0)


def _check_parents(parents: checks.Ints, left: checks.Ints, right: checks.Ints) -> None:
    """XGBoost follows these as well, while it loads; the root and pruned nodes have none."""
    inner = np.flatnonzero(left != LEAF)
    if parents[0] not in _NO_PARENT or (parents[left[inner]] != inner).any() or (parents[right[inner]] != inner).any():
        raise checks.BadTree("parents that do not match the children")
    checks.check_range("a parent", parents[(parents != _NO_PARENT[0]) & (parents != _NO_PARENT[1])], len(parents))


def _part(
    tree: dict[str, Any], left: checks.Ints, right: checks.Ints, feature: checks.Ints, values: np.ndarray
) -> Part:
    condition = np.asarray(tree["split_conditions"], dtype=np.float32).astype(np.float64)
    leaf = left == LEAF
    part = Part(
        left=left,
        right=right,
        feature=np.where(leaf, 0, feature),
        threshold=np.where(leaf, 0.0, condition),
        missing=np.where(integers(tree["default_left"]) != 0, Missing.LEFT, Missing.RIGHT),
        cover=np.asarray(tree.get("sum_hessian", np.zeros(len(left))), dtype=np.float32).astype(np.float64),
        values=values,
    )
    on_set = _on_set(tree, len(left))
    if on_set.any():
        member = on_set & ~leaf
        part.threshold = np.where(member, 0.0, part.threshold)
        part.rule = np.where(member, Rule.SET_GOES_RIGHT, Rule.THRESHOLD)
        part.set_start, part.set_words, part.sets = _sets(tree, len(left))
    return part


def _on_set(tree: dict[str, Any], nodes: int) -> np.ndarray:
    """(nodes,): which are splits on a set of categories, checked. Raises ValueError where their sets are no such."""
    kinds = integers(tree.get("split_type", np.zeros(nodes, np.int64)))
    chosen = len(tree.get("categories", ()))
    if len(kinds) == nodes and not kinds.any() and not chosen and not any(len(tree.get(name, ())) for name in _SETS):
        return np.zeros(nodes, dtype=bool)
    checks.check_range("a type of split", kinds, 2)
    at, first, size = (integers(tree.get(name, ())) for name in _SETS)
    if len(kinds) != nodes or not len(at) == len(first) == len(size) or (at != np.flatnonzero(kinds)).any():
        raise checks.BadTree("sets of categories for other nodes than those that split on them")
    if (first < 0).any() or (size < 1).any() or (first > chosen - size).any():
        raise checks.BadTree("a set of categories outside of all of them")
    return np.asarray(kinds == 1)


def _sets(tree: dict[str, Any], nodes: int) -> tuple[checks.Ints, checks.Ints, np.ndarray]:
    """For the splits on categories: first word, number of words, and all words. Categories in a set go right."""
    starts, words = np.zeros(nodes, dtype=np.int64), np.zeros(nodes, dtype=np.int64)
    categories = integers(tree["categories"])
    checks.check_range("a category", categories, MOST_CATEGORIES)
    sets: list[Any] = []
    used = 0
    for node, first, size in zip(*(integers(tree[name]) for name in _SETS), strict=True):
        chosen = categories[first : first + size]
        bits = np.zeros((int(chosen.max()) // WORD_BITS + 1) * WORD_BITS, dtype=bool)
        bits[chosen] = True
        sets.append(np.packbits(bits, bitorder="little").view("<u4"))
        starts[node], words[node] = used, len(sets[-1])
        used += len(sets[-1])
    return starts, words, np.concatenate(sets)
