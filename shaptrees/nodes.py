"""The arrays of a tree ensemble, and what must hold of them before it is walked over: the kernel relies on it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shaptrees.errors import UnreadableModel
from shaptrees.rules import ALL_OUTPUTS, LEAF, Link, Missing, Rule

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]

BLOCK_NODES = 1 << 15
"""Nodes that are checked at a time."""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """T trees with N nodes in all, V values a leaf, K outputs, F features.

    Nodes of tree t are `offsets[t]:offsets[t + 1]`, its root first, a child always after its parent. Children are
    counted from the first node of their tree. A split with rule THRESHOLD sends x left where x <= threshold (x <
    threshold if `strict`); the other rules look for int(x) in a set of bits, `sets[set_start:set_start + set_words]`,
    which holds nothing that is below zero (-0.5 is, if `strict`, and otherwise a zero).
    Output k is `base[k]` plus the leaf values of every tree t with `tree_output[t] == k`, or value k of the leaves of
    every tree where that is ALL_OUTPUTS. With `complement`, trees give p and the outputs are 1 - p and p.

    Raises UnreadableModel, with the reason, for arrays that are not such trees.
    """

    offsets: Ints  # (T + 1,)
    left: Ints  # (N,), LEAF at leaves
    right: Ints  # (N,), LEAF at leaves
    feature: Ints  # (N,)
    threshold: Floats  # (N,)
    rule: Bytes  # (N,), Rule
    missing: Bytes  # (N,), Missing
    set_start: Ints  # (N,)
    set_words: Ints  # (N,)
    sets: Words  # (S,)
    cover: Floats  # (N,), rows or weight that reached a node in training
    values: Floats  # (N, V)
    tree_output: Ints  # (T,), ALL_OUTPUTS or an output
    base: Floats  # (K,)
    features: int
    strict: bool = False
    float32: bool = False
    complement: bool = False
    link: Link = Link.IDENTITY
    categories: dict[int, Floats] = field(default_factory=dict)
    """Where trees know a feature's values by their positions in a list: that list. Other values are missing ones."""

    def __post_init__(self) -> None:
        for reason in _faults(self):
            raise UnreadableModel("tree arrays", reason)

    @property
    def outputs(self) -> int:
        """K, the number of outputs."""
        return 2 if self.complement else len(self.base)

    @property
    def trees(self) -> int:
        """T, the number of trees."""
        return len(self.offsets) - 1

    @cached_property
    def roots(self) -> NDArray[np.int64]:
        """(N,): for each node, the first node of its tree."""
        return np.repeat(self.offsets[:-1].astype(np.int64), np.diff(self.offsets))

    @cached_property
    def inner(self) -> NDArray[np.bool_]:
        """(N,): whether a node is a split."""
        inner: NDArray[np.bool_] = self.left != LEAF
        return inner


def _faults(t: Nodes) -> Iterator[str]:
    """What is wrong with the arrays; later checks rely on earlier ones, so only the first counts."""
    nodes = len(t.left)
    kinds = {
        np.int32: ("offsets", "left", "right", "feature", "set_start", "set_words", "tree_output"),
        np.float64: ("threshold", "cover", "values", "base"),
        np.uint8: ("rule", "missing"),
        np.uint32: ("sets",),
    }
    for dtype, names in kinds.items():
        for name in names:
            array = getattr(t, name)
            if array.dtype != dtype or not array.flags.c_contiguous or array.ndim != 1 + (name == "values"):
                yield f"{name} is not a contiguous array of {dtype.__name__}"
    for name in ("right", "feature", "threshold", "rule", "missing", "set_start", "set_words", "cover", "values"):
        if len(getattr(t, name)) != nodes:
            yield f"{name} has {len(getattr(t, name))} entries for {nodes} nodes"
    if len(t.offsets) < 2 or t.offsets[0] != 0 or t.offsets[-1] != nodes or (np.diff(t.offsets) < 1).any():  # noqa: PLR2004
        yield "the trees' first nodes are not in order"
    yield from _outputs_faults(t)
    yield from _split_faults(t)


def _outputs_faults(t: Nodes) -> Iterator[str]:
    if len(t.tree_output) != t.trees or not len(t.base):
        yield f"{len(t.tree_output)} trees have an output, {t.trees} have nodes"
    if (t.tree_output < ALL_OUTPUTS).any() or (t.tree_output >= len(t.base)).any():
        yield "a tree adds to an output that does not exist"
    width = t.values.shape[1]
    if width < 1 or (width != len(t.base) and (t.tree_output == ALL_OUTPUTS).any()):
        yield f"leaves have {width} values for {len(t.base)} outputs"
    if t.complement and len(t.base) != 1:
        yield "only a single output has a complement"
    if not (np.isfinite(t.values[~t.inner]).all() and np.isfinite(t.base).all()):
        yield "a leaf value is not finite"
    if not (np.isfinite(t.cover).all() and (t.cover >= 0).all()):
        yield "a cover is negative or not finite"


def _split_faults(t: Nodes) -> Iterator[str]:
    for first, last in blocks(t.offsets):
        yield from _child_faults(t, first, last)
    split = np.flatnonzero(t.inner)
    feature = t.feature[split]
    if len(split) and (feature.min() < 0 or feature.max() >= t.features):
        yield f"a split is on a feature that is not one of the {t.features}"
    if (t.rule > max(Rule)).any() or (t.missing > max(Missing)).any():
        yield "a split has an unknown rule"
    member = split[t.rule[split] != Rule.THRESHOLD]
    start, words = t.set_start[member].astype(np.int64), t.set_words[member].astype(np.int64)
    if (
        (start < 0).any()
        or (words < 0).any()
        or (start + words > len(t.sets)).any()
        or (len(member) and not len(t.sets))
    ):
        yield "a set of categories lies outside of the sets"
    if (t.missing[member] > Missing.LEFT).any():
        yield "a split on categories takes zero for a missing value"
    if np.isnan(t.threshold[split]).any():
        yield "a threshold is not a number"


def _child_faults(t: Nodes, first: int, last: int) -> Iterator[str]:
    start, stop = int(t.offsets[first]), int(t.offsets[last])
    left, right = t.left[start:stop], t.right[start:stop]
    sizes = np.diff(t.offsets[first : last + 1])
    roots = np.repeat(t.offsets[first:last] - start, sizes)
    split = np.flatnonzero(t.inner[start:stop])
    root, size = roots[split], np.repeat(sizes, sizes)[split]
    place = split - root
    for name, child in (("left", left[split]), ("right", right[split])):
        if (child <= place).any() or (child >= size).any():
            yield f"a {name} child is not a later node of its tree"
    if np.count_nonzero(right == LEAF) != stop - start - len(split):
        yield "a node has one child"
    children = np.concatenate([root + left[split], root + right[split]])
    if len(children) and np.bincount(children).max() > 1:
        yield "a node has two parents"


def blocks(offsets: Ints) -> Iterator[tuple[int, int]]:
    """First and last tree (exclusive) of some at a time, so that what is made of them stays in the cache."""
    first, count = 0, len(offsets) - 1
    while first < count:
        last = int(np.searchsorted(offsets, int(offsets[first]) + BLOCK_NODES, side="right")) - 1
        yield first, min(count, max(first + 1, last))
        first = min(count, max(first + 1, last))
