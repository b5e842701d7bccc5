"""The recurrences of kernel.c in NumPy, for a machine without the C kernel. Slower, but faster than shap's own.

A few trees at a time, all splits of a level at once, for as many rows as keep their vectors in the cache. Arrays are
(splits, Q, rows), and (splits, V, Q, rows) on the way up. See engine.py for the mathematics.
"""

import numpy as np

from jobs.work.trees.arrays import ALL_OUTPUTS, Floats, Rule, Trees
from jobs.work.trees.columns import Columns
from jobs.work.trees.paths import Level, Paths, Places, groups, paths
from jobs.work.trees.quadrature import table

CELLS = 1 << 18
"""Numbers in an array of all splits: rows are taken in pieces of CELLS / (S Q)."""
FEWEST_ROWS = 8


def accumulate(trees: Trees, seen: Columns, *, pairs: bool) -> Floats:
    """SHAP values (n, K, F), or pairs (n, K, F, F): above the diagonal the pairs, on it the SHAP values."""
    n, features, outputs = len(seen.rows), trees.features, len(trees.base)
    cells = features * features if pairs else features
    phi = np.zeros((outputs, cells, n))
    for group in groups(trees):
        path = paths(trees, group)
        output = np.repeat(trees.tree_output, np.diff(trees.offsets))[path.split].astype(np.int64)
        whole = output[0] == ALL_OUTPUTS
        own, start = (phi, 0 * output) if whole else (phi.reshape(1, -1, n), output * cells)
        piece = max(FEWEST_ROWS, CELLS // (len(path.split) * path.points))
        for first in range(0, n, piece):
            walk = _Walk(trees, path, _hits(trees, seen, path, slice(first, first + piece)), len(own))
            walk.run(own[:, :, first : first + piece], start, pairs=pairs)
    return phi.transpose(2, 0, 1).reshape(n, outputs, *((features, features) if pairs else (features,))).copy()


def _hits(trees: Trees, seen: Columns, path: Paths, rows: slice) -> Floats:
    """(S, rows): 1 where a row goes left at a split."""
    x = seen.rows[rows].T[seen.slot[path.split]]
    left = x <= seen.threshold[path.split, None]
    for split in np.flatnonzero(trees.rule[path.split] != Rule.THRESHOLD):
        node = np.full(x.shape[1], path.split[split])
        left[split] = trees.goes_left(node, np.where(np.isneginf(x[split]), np.nan, x[split]))
    return left.astype(np.float64)


class _Walk:
    """Down and up one tree for some rows."""

    def __init__(self, trees: Trees, path: Paths, hit: Floats, values: int) -> None:
        self.trees, self.path, self.hit, self.values = trees, path, hit, values
        self.t, self.weights = table(path.points)
        self.edge_hit = np.empty((2 * len(hit), hit.shape[1]))
        self.P: list[Floats] = []
        self.F: list[Floats] = []

    def run(self, phi: Floats, start: Places, *, pairs: bool) -> None:
        """Adds to phi (V, cells, rows); `start` (S,) is where each split's cells begin."""
        self.start = start
        roots = len(self.path.levels[0].split)
        arriving = np.broadcast_to(self.weights[None, :, None], (roots, len(self.t), self.hit.shape[1]))
        for level in self.path.levels:
            arriving = self.down(level, arriving)
        returned = np.empty((0, self.values, len(self.t), self.hit.shape[1]))
        for depth in reversed(range(len(self.path.levels))):
            returned = self.up(depth, returned, phi, pairs)

    def down(self, level: Level, P: Floats) -> Floats:
        """Keeps P and the factors of a level; returns P of the next."""
        first = level.split[0]
        share = self.trees.left_share[self.path.split[level.split]][:, None, None]
        hit = self.hit[level.split][:, None]
        F = self.t[:, None] * (hit - share)
        F += share
        again = np.flatnonzero(level.earlier >= 0)
        edges = self.edge_hit[2 * first : 2 * (first + len(F))]
        near, far = edges[::2], edges[1::2]
        near[:] = hit[:, 0]
        far[:] = 1 - near
        if len(again):
            edge = level.earlier[again]
            earlier, before = self.edge_hit[edge][:, None], self.path.edge_share[edge][:, None, None]
            inverse = 1 / (before + self.t[:, None] * (1 - before))
            after = before * share[again]
            lift = after * (1 - self.t[:, None]) * inverse - share[again]
            F[again] = share[again] + earlier * (lift + self.t[:, None] * inverse * hit[again])
            near[again] *= earlier[:, 0]
            far[again] *= earlier[:, 0]
        self.P.append(P)
        self.F.append(F)
        return self.arriving(level, P[: level.tips], F[: level.tips])

    def arriving(self, level: Level, P: Floats, F: Floats) -> Floats:
        """P of the next level's splits, from that of the splits above them."""
        child = self.path.child[level.split[: level.tips]] - level.split[-1] - 1  # where a leaf is, below zero
        left, right = np.flatnonzero(child[:, 0] >= 0), np.flatnonzero(child[:, 1] >= 0)
        near = P * F
        below = np.empty((len(left) + len(right), *P.shape[1:]))
        below[child[left, 0]] = near[left]
        below[child[right, 1]] = (P - near)[right]
        return below

    def up(self, depth: int, below: Floats, phi: Floats, pairs: bool) -> Floats:
        """Adds a level's contributions to phi; returns G of its splits, from those of the next level."""
        level, P, F = self.path.levels[depth], self.P.pop(), self.F.pop()
        if len(again := np.flatnonzero(level.earlier >= 0)):
            before = self.path.edge_share[level.earlier[again]][:, None]
            P = P.copy()
            P[again] /= ((before + self.t * (1 - before)) ** 2)[:, :, None]
        amount = self.amount(level, again)
        far = self.child(level, 1, below)
        D = self.child(level, 0, below)
        D -= far
        total = np.empty((len(P), self.values, P.shape[2]))
        np.einsum("mqr,mvqr->mvr", P[: level.tips], D[: level.tips], out=total[: level.tips])
        total[level.tips :] = P[level.tips :].sum(axis=1)[:, None] * D[level.tips :, :, 0]
        feature = self.trees.feature[self.path.split[level.split]].astype(np.int64)
        own = feature * (self.trees.features + 1) if pairs else feature
        self.add(phi, self.start[level.split] + own, amount, total)
        if pairs:
            self.add_pairs(level, phi, feature, amount, P[:, None] * D)
        D *= F[:, None]
        D += far
        return D

    def amount(self, level: Level, again: np.ndarray) -> Floats:
        """(m, rows): h - c, or for a repeated feature h_e (h c_e - c_e c)."""
        share = self.trees.left_share[self.path.split[level.split]][:, None]
        amount = self.hit[level.split] - share
        edge = level.earlier[again]
        amount[again] *= self.edge_hit[edge] * self.path.edge_share[edge][:, None]
        return amount

    def child(self, level: Level, side: int, below: Floats) -> Floats:
        """(m, V, Q, rows): G of the children on one side: leaf values, or what the next level returned."""
        place = self.path.child[level.split, side] - level.split[-1] - 1
        node = self.path.leaf[level.split, side]
        G = np.empty((len(place), self.values, len(self.t), self.hit.shape[1]))
        inner = self.path.child[level.split, side] >= 0
        leaf = ~inner
        G[leaf] = self.trees.values[node[leaf], : self.values, None, None]
        G[inner] = below[place[inner]]
        return G

    def add(self, phi: Floats, cell: np.ndarray, amount: Floats, total: Floats) -> None:
        """phi (V, cells, rows) += amount (m, rows) * total (m, V, rows), by cell (m)."""
        total *= amount[:, None]
        order = np.argsort(cell, kind="stable")
        cells, starts = np.unique(cell[order], return_index=True)
        phi[:, cells] += np.add.reduceat(total[order], starts, axis=0).transpose(1, 0, 2)

    def add_pairs(self, level: Level, phi: Floats, feature: np.ndarray, amount: Floats, contribution: Floats) -> None:
        """Each split's feature with every other one above it: half of the sum over q of P D R."""
        for edges in level.above.T:
            other = np.flatnonzero((edges >= 0) & (edges != level.earlier))
            if not len(other):
                continue
            edge = edges[other]
            share = self.path.edge_share[edge][:, None, None]
            missed = -1 / (1 - self.t[:, None])
            gain = (1 - share) / (share + self.t[:, None] * (1 - share)) - missed
            R = missed + self.edge_hit[edge][:, None] * gain
            there, here = self.trees.feature[self.path.split[edge // 2]].astype(np.int64), feature[other]
            cell = np.minimum(there, here) * self.trees.features + np.maximum(there, here)
            self.add(
                phi,
                self.start[level.split[other]] + cell,
                0.5 * amount[other],
                (contribution[other] * R[:, None]).sum(axis=2),
            )
