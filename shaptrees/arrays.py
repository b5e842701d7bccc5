"""A tree ensemble as plain arrays, checked once (`nodes`), and what follows from them.

`build` puts it together for `readers`, `engine` explains it. Does not know where the trees came from. The counterpart
of treelite's model, laid out for the kernel that walks over it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shaptrees.codes import coded
from shaptrees.errors import FeatureCount
from shaptrees.nodes import Bytes, Floats, Ints, Nodes, Words, blocks
from shaptrees.pairs import Pairs, distinct, meeting
from shaptrees.rules import ALL_OUTPUTS, WORD_BITS, ZERO_BOUND, Missing, Rule

__all__ = ["Bytes", "Floats", "Ints", "Trees", "Words"]


@dataclass(frozen=True, kw_only=True)
class Trees(Nodes):
    """The checked arrays of an ensemble, and what follows from them: shares, predictions, what rows look like to them.

    What the arrays are is said in `nodes.Nodes`, which raises UnreadableModel for those that are no trees.
    """

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
        found = np.zeros(0, dtype=np.int64)
        for first, last in blocks(self.offsets):  # so that little is made of the nodes at a time
            start, stop = self.offsets[first], self.offsets[last]
            split = np.flatnonzero(self.inner[start:stop])
            parent, place, root = (
                np.full(stop - start, -1),
                np.arange(len(split)),
                self.roots[start:stop][split] - start,
            )
            for side in (self.left, self.right):
                parent[root + side[start:stop][split]] = place
            here = meeting(self.features, self.feature[start:stop][split], parent[split])
            found = distinct(np.concatenate([found, here]))
        return Pairs(self.features, found)

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
        for first, last in blocks(self.offsets):
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
