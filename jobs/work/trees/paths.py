"""One tree level by level, with what its paths have seen: what the NumPy engine walks over."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jobs.work.trees import quadrature
from jobs.work.trees.arrays import Floats, Trees

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """Splits (m) of one depth, by place in `Paths.split`."""

    split: Places  # (m,)
    earlier: Places  # (m,), the last edge above on the same feature, or -1; edges are 2 * split and 2 * split + 1
    above: Places  # (m, depth), the edges of the path, -1 where a later one is on the same feature


@dataclass(frozen=True)
class Paths:
    """The S splits of one tree, in the order of their levels."""

    split: Places  # (S,), nodes
    child: Places  # (S, 2), place of the split on either side, or -1
    leaf: Places  # (S, 2), node of the child
    edge_share: Floats  # (2 S,), accumulated over the feature
    levels: list[Level] = field(default_factory=list)
    points: int = 1


def paths(trees: Trees, tree: int) -> Paths | None:
    """Of one tree; None if it is a single leaf."""
    first, last = trees.offsets[tree : tree + 2].astype(np.int64)
    if not trees.inner[first]:
        return None
    order, depth = _by_level(trees, first)
    place = np.full(last - first, -1)
    place[order - first] = np.arange(len(order))
    children = first + np.stack([trees.left[order], trees.right[order]], axis=1)
    return _fill(trees, Paths(order, place[children - first], children, np.zeros(2 * len(order))), depth)


def _by_level(trees: Trees, first: int) -> tuple[Places, list[int]]:
    levels = [np.array([first])]
    while len(levels[-1]):
        nodes = levels[-1]
        children = first + np.concatenate([trees.left[nodes], trees.right[nodes]])
        levels.append(children[trees.inner[children]])
    return np.concatenate(levels), [len(nodes) for nodes in levels[:-1]]


def _fill(trees: Trees, paths: Paths, sizes: list[int]) -> Paths:
    """The levels from the root down; `last` is each feature's last edge on the way to a split."""
    last = np.full((1, trees.features), -1)
    above = np.empty((1, 0), dtype=np.int64)
    grown, distinct = np.ones((1, len(quadrature.RADII))), np.zeros(1, dtype=np.int64)
    most, most_distinct, start = np.ones(len(quadrature.RADII)), 0, 0
    for size in sizes:
        split = np.arange(start, start + size)
        feature, rows = trees.feature[paths.split[split]], np.arange(size)
        earlier = last[rows, feature]
        before = np.where(earlier < 0, 1.0, paths.edge_share[earlier])
        share = trees.left_share[paths.split[split]]
        paths.levels.append(Level(split, earlier, above))
        shares = np.stack([before * share, before * (1 - share)], axis=1)
        paths.edge_share[2 * start : 2 * (start + size)] = shares.ravel()
        base = grown / np.where(earlier[:, None] < 0, 1.0, quadrature.growth(before))
        both = np.stack([base * quadrature.growth(shares[:, 0]), base * quadrature.growth(shares[:, 1])], axis=1)
        distinct = distinct + (earlier < 0)
        most, most_distinct = np.maximum(most, both.max(axis=(0, 1))), max(most_distinct, distinct.max())
        above = np.where(above == earlier[:, None], -1, above)
        side, parent = np.nonzero((paths.child[split] >= 0).T)
        edge = 2 * (start + parent) + side
        last, above = last[parent], np.hstack([above[parent], edge[:, None]])
        last[np.arange(len(parent)), feature[parent]] = edge
        grown, distinct = both[parent, side], distinct[parent]
        start += size
    points = quadrature.enough_points(int(most_distinct), most)
    return Paths(paths.split, paths.child, paths.leaf, paths.edge_share, paths.levels, points)
