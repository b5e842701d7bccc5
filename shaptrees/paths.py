"""Some trees level by level, with what their paths have seen: what the NumPy engine walks over."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shaptrees import quadrature
from shaptrees.arrays import Floats, Trees
from shaptrees.rules import ALL_OUTPUTS

Places = NDArray[np.int64]

STEEP = 1e-6
GROUP_SPLITS = 1024
"""Small trees are taken together until they have this many splits."""


@dataclass(frozen=True)
class Side:
    """The children of a level's splits on one side. All slices are of places in the level."""

    inner: slice  # splits whose child is a split
    child: Places  # the places of those children in `Paths.split`
    leaf: slice  # splits with a split on the other side alone
    value: Places  # the nodes of their leaves
    tip: Places  # the nodes of the tips' leaves


@dataclass(frozen=True)
class Level:
    """Splits (m) of one depth, by place in `Paths.split`: those above a split on the left alone, on both sides, on the
    right alone, and last the tips, which are above two leaves. So both sides of a level are slices of it.
    """

    split: slice
    tips: int  # the place in this level of the first tip
    share: Floats  # (m, 2), of the cover, that goes left and right
    sides: tuple[Side, Side]
    again: Places  # the places in the level of splits on features seen above
    earlier: Places  # (m,), the last edge above on the same feature, or -1; edges are 2 * split and 2 * split + 1
    above: Places  # (m, depth), the edges of the path, -1 where a later one is on the same feature


@dataclass(frozen=True)
class Paths:
    """The S splits of some trees, in the order of their levels."""

    split: Places  # (S,), nodes
    child: Places  # (S, 2), place of the split on either side, or -1
    leaf: Places  # (S, 2), node of the child
    edge_share: Floats  # (2 S,), accumulated over the feature
    edge_rest: Floats  # (2 S,), 1 minus that, with all its digits
    levels: list[Level] = field(default_factory=list)
    points: int = 1

    @property
    def steep(self) -> bool:
        """Whether next to none of the cover follows some edge: it is not found as what the other side leaves."""
        return bool(((self.edge_share > 0) & (self.edge_share < STEEP)).any())


def groups(trees: Trees) -> Iterator[Places]:
    """Trees to walk over together: all of them add to every output, or none, and they are about as deep, as the deepest
    decides how many quadrature nodes all are given. Leaves alone are left out.
    """
    splits = np.add.reduceat(trees.inner.astype(np.int64), trees.offsets[:-1])
    whole = trees.tree_output == ALL_OUTPUTS
    group: list[int] = []
    total = 0
    for tree in np.lexsort((_depths(trees), whole)):
        if group and (total + splits[tree] > GROUP_SPLITS or whole[tree] != whole[group[0]]):
            yield np.array(group)
            group, total = [], 0
        if splits[tree]:
            group.append(int(tree))
            total += int(splits[tree])
    if group:
        yield np.array(group)


def _depths(trees: Trees) -> Places:
    """(T,): splits on the longest path of each tree."""
    depths = np.zeros(trees.trees, dtype=np.int64)
    for depth, nodes in enumerate(trees.levels()):
        depths[np.searchsorted(trees.offsets, nodes, side="right") - 1] = depth
    return depths


def paths(trees: Trees, group: Places) -> Paths:
    """Of the trees with these numbers."""
    order, sizes = _by_level(trees, trees.offsets[group].astype(np.int64))
    children = _children(trees, order)
    sorter = np.argsort(order)
    place = sorter[np.minimum(np.searchsorted(order, children, sorter=sorter), len(order) - 1)]
    place = np.where(order[place] == children, place, -1)
    edges = np.zeros((2, 2 * len(order)))
    return _fill(trees, Paths(order, place, children, *edges), sizes)


def _children(trees: Trees, split: Places) -> Places:
    return trees.roots[split, None] + np.stack([trees.left[split], trees.right[split]], axis=1)


def _by_level(trees: Trees, roots: Places) -> tuple[Places, list[int]]:
    levels, nodes = [], roots
    while len(splits := nodes[trees.inner[nodes]]):
        left, right = trees.inner[_children(trees, splits)].T
        levels.append(splits[np.argsort(np.where(left, right * 1, np.where(right, 2, 3)), kind="stable")])
        nodes = _children(trees, splits).ravel()
    return np.concatenate(levels), [len(splits) for splits in levels]


def _parents(child: Places, next_level: int) -> tuple[Places, Places]:
    """For every split of the next level, in its order: whose child it is, and on which side."""
    parent, side = np.nonzero(child >= 0)
    order = np.argsort(child[parent, side] - next_level)
    return parent[order], side[order]


def _level(paths: Paths, split: slice, share: Floats, earlier: Places, above: Places) -> Level:
    child, leaf = paths.child[split], paths.leaf[split]
    (left, right), tips = (child >= 0).sum(axis=0), int((child >= 0).any(axis=1).sum())
    inner = (slice(0, left), slice(tips - right, tips))
    alone = (slice(left, tips), slice(0, tips - right))  # on the other side
    sides = [
        Side(inner[side], child[inner[side], side], alone[side], leaf[alone[side], side], leaf[tips:, side])
        for side in (0, 1)
    ]
    return Level(split, tips, share, (sides[0], sides[1]), np.flatnonzero(earlier >= 0), earlier, above)


def _fill(trees: Trees, paths: Paths, sizes: list[int]) -> Paths:
    """The levels from the root down; `last` is each feature's last edge on the way to a split."""
    last = np.full((sizes[0], trees.features), -1)
    above = np.empty((sizes[0], 0), dtype=np.int64)
    grown, distinct = np.ones((sizes[0], len(quadrature.RADII))), np.zeros(sizes[0], dtype=np.int64)
    most, most_distinct, start = np.ones(len(quadrature.RADII)), 0, 0
    for size in sizes:
        split = np.arange(start, start + size)
        feature, rows = trees.feature[paths.split[split]], np.arange(size)
        earlier = last[rows, feature]
        before = np.where(earlier < 0, 1.0, paths.edge_share[earlier])[:, None]
        rest = np.where(earlier < 0, 0.0, paths.edge_rest[earlier])[:, None]
        share = np.stack([trees.share(paths.split[split], side) for side in (trees.left, trees.right)], axis=1)
        paths.levels.append(_level(paths, slice(start, start + size), share, earlier, above))
        shares = before * share
        paths.edge_share[2 * start : 2 * (start + size)] = shares.ravel()
        paths.edge_rest[2 * start : 2 * (start + size)] = (rest + before * share[:, ::-1]).ravel()
        base = grown / np.where(earlier[:, None] < 0, 1.0, quadrature.growth(before[:, 0]))
        both = np.stack([base * quadrature.growth(shares[:, 0]), base * quadrature.growth(shares[:, 1])], axis=1)
        distinct = distinct + (earlier < 0)
        most, most_distinct = np.maximum(most, both.max(axis=(0, 1))), max(most_distinct, distinct.max())
        above = np.where(above == earlier[:, None], -1, above)
        parent, side = _parents(paths.child[split], start + size)
        edge = 2 * (start + parent) + side
        last, above = last[parent], np.hstack([above[parent], edge[:, None]])
        last[np.arange(len(parent)), feature[parent]] = edge
        grown, distinct = both[parent, side], distinct[parent]
        start += size
    points, edges = quadrature.enough_points(int(most_distinct), most), (paths.edge_share, paths.edge_rest)
    return Paths(paths.split, paths.child, paths.leaf, *edges, paths.levels, points)
