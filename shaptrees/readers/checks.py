"""Checks a tree's indices before native code follows them.

Native predictors trust their files: a child outside the node array or a feature outside the row reads foreign memory,
a cycle hangs, and a chain overflows the stack. Does not parse: each family brings its trees as arrays.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from shaptrees.rules import LEAF

Ints = npt.NDArray[np.int64]
MAX_DEPTH = 4_096
"""shap and the native predictors recurse once a level."""


class BadTree(ValueError):
    """The tree is not one; the message says why."""


def check_tree(left: Ints, right: Ints, features: Ints, n_features: int) -> None:
    """A binary tree: node 0 is the root, a leaf has LEAF for both children, `features` split the inner nodes.

    Raises BadTree unless every child comes after its parent, within the array, under one parent, and every feature
    is one of `n_features`.
    """
    if not len(left) or not len(left) == len(right) == len(features):
        raise BadTree(f"{len(left)} left children, {len(right)} right children, {len(features)} features")
    inner = left != LEAF
    if ((right != LEAF) != inner).any():
        raise BadTree("a node with one child")
    parents = np.flatnonzero(inner)
    children = np.concatenate((left[inner], right[inner]))
    if (children <= np.concatenate((parents, parents))).any() or (children >= len(left)).any():
        raise BadTree("a child outside the nodes after its parent")
    if len(children) and np.bincount(children).max() > 1:
        raise BadTree("a node with two parents")
    check_range("a split feature", features[inner], n_features)
    _check_depth(left, right)


def check_range(what: str, values: npt.NDArray[np.integer], stop: int) -> None:
    """Raises BadTree unless 0 <= value < stop for all."""
    if len(values) and (values.min() < 0 or values.max() >= stop):
        raise BadTree(f"{what} outside 0 to {stop - 1}")


def check_finite(what: str, values: npt.NDArray[np.floating]) -> None:
    """Raises BadTree for an infinite value or NaN."""
    if not np.isfinite(values).all():
        raise BadTree(f"{what} that is not finite")


def integers(values: Any) -> Ints:
    """A list, or an array, of whole numbers as one. Raises ValueError."""
    array = np.asarray(values)
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iub"):
        raise ValueError("a list of numbers that are not integers")
    return array.astype(np.int64)


def _check_depth(left: Ints, right: Ints) -> None:
    level = np.zeros(1, np.int64)
    for _ in range(MAX_DEPTH):
        level = level[left[level] != LEAF]
        if not len(level):
            return
        level = np.concatenate((left[level], right[level]))
    raise BadTree(f"more than {MAX_DEPTH} levels")
