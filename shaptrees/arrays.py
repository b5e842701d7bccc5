"""A tree ensemble as plain arrays: checked once, then safe to walk without looking again.

`build` puts it together for `readers`, `engine` explains it. Does not know where the trees came from. The counterpart
of treelite's model, laid out for the kernel that walks over it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shaptrees.codes import coded
from shaptrees.errors import FeatureCount, UnreadableModel
from shaptrees.pairs import Pairs, meeting

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]

LEAF = -1
ALL_OUTPUTS = -1
WORD_BITS = 32
BLOCK_NODES = 1 << 15
"""Nodes that are checked at a time."""
ZERO_BOUND = float(np.float32(1e-35))
"""LightGBM takes what is no larger than this for zero."""


class Rule(IntEnum):
    """How a split sends a value left."""

    THRESHOLD = 0
    SET_GOES_LEFT = 1
    SET_GOES_RIGHT = 2


class Missing(IntEnum):
    """Where a split sends a missing value."""

    RIGHT = 0
    LEFT = 1
    AS_ZERO = 2
    ZERO_TOO_RIGHT = 3
    ZERO_TOO_LEFT = 4


class Link(IntEnum):
    """How probabilities (or whatever the model predicts) follow from the sum of the trees."""

    IDENTITY = 0
    LOGISTIC = 1
    SOFTMAX = 2
    EXP = 3


@dataclass(frozen=True, kw_only=True)
class Trees:
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

    @cached_property
    def left_share(self) -> Floats:
        """(N,): the share of a split's cover that went left; one half where nothing arrived."""
        share = np.full(len(self.cover), 0.5)
        split = np.flatnonzero(self.inner)
        share[split] = self.share(split, self.left)
        return share

    def share(self, split: NDArray[np.int64], side: Ints) -> Floats:
        """Of the cover of some splits, what went to one side, `left` or `right`. Where nearly all went to the other, 1
        minus that one's share would have no digits left.
        """
        root = self.roots[split]
        both = self.cover[root + self.left[split]] + self.cover[root + self.right[split]]
        share: Floats = np.divide(self.cover[root + side[split]], both, out=np.full(len(split), 0.5), where=both > 0)
        return share

    @cached_property
    def missing_kinds(self) -> tuple[Missing, ...]:
        """Those of `missing` that occur at splits, sorted; RIGHT where there is no split."""
        counts = np.bincount(self.missing[self.inner], minlength=len(Missing))
        return tuple(kind for kind in Missing if counts[kind]) or (Missing.RIGHT,)

    @cached_property
    def slot(self) -> Ints:
        """(N,): the column that a split looks at, where rows have all columns once for each of `missing_kinds`."""
        if len(self.missing_kinds) == 1:
            return self.feature
        place = np.zeros(len(Missing), dtype=np.int32)
        place[list(self.missing_kinds)] = np.arange(len(self.missing_kinds)) * self.features
        slot: Ints = np.where(self.inner, place[self.missing] + self.feature, 0).astype(np.int32)
        return slot

    @cached_property
    def bound(self) -> Floats:
        """(N,): what x is compared with by <=, also where the model compares by <."""
        return np.nextafter(self.threshold, -np.inf) if self.strict else self.threshold

    @cached_property
    def pairs(self) -> Pairs:
        """Those of the features that meet on a path, and so may interact."""
        split = np.flatnonzero(self.inner)
        parent, place = np.full(len(self.left), -1, dtype=np.int64), np.arange(len(split))
        for side in (self.left, self.right):
            parent[self.roots[split] + side[split]] = place
        return meeting(self.features, self.feature[split], parent[split])

    def levels(self) -> Iterator[NDArray[np.int64]]:
        """Nodes (counted from the first of all) level by level, roots first."""
        nodes = self.offsets[:-1].astype(np.int64)
        while len(nodes):
            yield nodes
            split = nodes[self.inner[nodes]]
            roots = self.roots[split]
            nodes = np.concatenate([roots + self.left[split], roots + self.right[split]]).astype(np.int64)

    def means(self) -> Floats:
        """(N, V): the leaf values below each node on average, by cover."""
        means = self.values.copy()
        for nodes in reversed(list(self.levels())):
            split = nodes[self.inner[nodes]]
            near, far = (self.share(split, side)[:, None] for side in (self.left, self.right))
            roots = self.roots[split]
            means[split] = near * means[roots + self.left[split]] + far * means[roots + self.right[split]]
        return means

    @cached_property
    def expected_value(self) -> Floats:
        """(K,): the output for the training rows on average, by cover: the base that SHAP values add to."""
        expected: Floats = self.gather(self.means()[self.offsets[:-1]][None])[0]
        return expected

    @cached_property
    def magnitude(self) -> float:
        """The most that an output can add up to, of either sign: rounding errors grow with it, not with the sum."""
        total = float(np.abs(self.base).max())
        for first, last in _blocks(self.offsets):
            starts = self.offsets[first:last]
            nodes = slice(int(starts[0]), int(self.offsets[last]))
            leaf = np.where(self.inner[nodes], 0.0, np.abs(self.values[nodes]).max(axis=1))
            total += float(np.maximum.reduceat(leaf, starts - starts[0]).sum())
        return total

    def read(self, x: NDArray[np.floating]) -> Floats:
        """Rows (n, F) as the model's own code sees them: cast to float32, categories as positions in their list."""
        if x.ndim != 2 or x.shape[1] != self.features:  # noqa: PLR2004 - a table
            raise FeatureCount(x.shape[-1] if x.ndim else 0, self.features)
        rows = x.astype(np.float32).astype(np.float64) if self.float32 else np.array(x, dtype=np.float64)
        for feature in self._sets_below_zero:
            rows[:, feature] = np.where(rows[:, feature] < 0, np.minimum(rows[:, feature], -1), rows[:, feature])
        return coded(rows, x, self.categories)

    @cached_property
    def _sets_below_zero(self) -> list[int]:
        """Features of categories whose numbers between -1 and 0 are none, as XGBoost has it and LightGBM has not."""
        if not self.strict or not self.rule.any():
            return []
        on_set = self.rule != Rule.THRESHOLD
        found = np.setdiff1d(self.feature[self.inner & on_set], self.feature[self.inner & ~on_set])
        return [int(feature) for feature in found]

    def predict(self, x: NDArray[np.floating]) -> Floats:
        """The model's raw output (margin) for rows (n, F): (n, K), in double precision. Raises FeatureCount."""
        return self.gather(self.leaf_values(x))

    def leaf_values(self, x: NDArray[np.floating]) -> Floats:
        """The values of the leaf that each row (n, F) comes to in each tree: (n, T, V). Raises FeatureCount."""
        rows = self.read(x)
        node = np.tile(self.offsets[:-1].astype(np.int64), (len(rows), 1))
        row, tree = np.nonzero(self.inner[node])
        while len(row):
            at = node[row, tree]
            child = np.where(self.goes_left(at, rows[row, self.feature[at]]), self.left[at], self.right[at])
            at = self.offsets[tree].astype(np.int64) + child
            node[row, tree] = at
            row, tree = row[self.inner[at]], tree[self.inner[at]]
        return self.values[node]

    def goes_left(self, node: NDArray[np.int64], x: Floats) -> NDArray[np.bool_]:
        """Whether each value x, as `read` gives it, goes left at its split `node`."""
        rule, missing = self.rule[node], self.missing[node]
        x = np.where(np.isnan(x) & (missing == Missing.AS_ZERO), 0.0, x)
        absent = np.isnan(x) | ((missing >= Missing.ZERO_TOO_RIGHT) & (np.abs(x) <= ZERO_BOUND))
        below = x < self.threshold[node] if self.strict else x <= self.threshold[node]
        left = np.where(rule == Rule.THRESHOLD, below, False)
        member = rule != Rule.THRESHOLD
        if member.any():
            left[member] = self._in_set(node[member], x[member]) == (rule[member] == Rule.SET_GOES_LEFT)
        return np.where(absent, (missing == Missing.LEFT) | (missing == Missing.ZERO_TOO_LEFT), left)

    def _in_set(self, node: NDArray[np.int64], x: Floats) -> NDArray[np.bool_]:
        bits = self.set_words[node].astype(np.int64) * WORD_BITS
        whole = np.where(x > -1, np.minimum(np.nan_to_num(x, nan=-1, posinf=2**40), 2**40), -1).astype(np.int64)
        inside = (whole >= 0) & (whole < bits)
        place = np.where(inside, self.set_start[node] + whole // WORD_BITS, 0)
        found: NDArray[np.bool_] = inside & ((self.sets[place] >> (whole % WORD_BITS).astype(np.uint32)) & 1).astype(
            bool
        )
        return found

    def gather(self, by_tree: Floats) -> Floats:
        """Outputs (n, K) from values (n, T, V) of every tree."""
        total = np.tile(self.base, (len(by_tree), 1))
        whole = self.tree_output == ALL_OUTPUTS
        if whole.any():
            total += by_tree[:, whole].sum(axis=1)
        for output in np.unique(self.tree_output[~whole]):
            total[:, output] += by_tree[:, self.tree_output == output, 0].sum(axis=1)
        return np.hstack([1 - total, total]) if self.complement else total


def _faults(t: Trees) -> Iterator[str]:
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


def _outputs_faults(t: Trees) -> Iterator[str]:
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


def _split_faults(t: Trees) -> Iterator[str]:
    for first, last in _blocks(t.offsets):
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


def _blocks(offsets: Ints) -> Iterator[tuple[int, int]]:
    """First and last tree (exclusive) of some at a time, so that what is made of them stays in the cache."""
    first, count = 0, len(offsets) - 1
    while first < count:
        last = int(np.searchsorted(offsets, int(offsets[first]) + BLOCK_NODES, side="right")) - 1
        yield first, min(count, max(first + 1, last))
        first = min(count, max(first + 1, last))


def _child_faults(t: Trees, first: int, last: int) -> Iterator[str]:
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
