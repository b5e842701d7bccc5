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
        feature = trees.feature[path.split].astype(np.int64)
        own_cells = start + (feature * (features + 1) if pairs else feature)
        piece = max(FEWEST_ROWS, CELLS // (len(path.split) * path.points))
        for first in range(0, n, piece):
            walk = _Walk(trees, path, _hits(trees, seen, path, slice(first, first + piece)), len(own))
            walk.run(own[:, :, first : first + piece], own_cells, start, pairs=pairs)
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
    """Down and up some trees for some rows."""

    def __init__(self, trees: Trees, path: Paths, hit: Floats, values: int) -> None:
        self.trees, self.path, self.hit, self.values = trees, path, hit, values
        self.t, self.weights = table(path.points)
        self.edge_hit = np.empty((2 * len(hit), hit.shape[1]))
        self.given = np.empty((len(hit), values, hit.shape[1]))  # to each split's feature
        self.P: list[Floats] = []
        self.F: list[Floats] = []

    def run(self, phi: Floats, cells: Places, start: Places, *, pairs: bool) -> None:
        """Adds to phi (V, cells, rows); `cells` (S,) is where each split adds, `start` where its tree's cells begin."""
        roots = self.path.levels[0].split.stop
        arriving = np.broadcast_to(self.weights[None, :, None], (roots, len(self.t), self.hit.shape[1]))
        for level in self.path.levels:
            arriving = self.down(level, arriving)
        returned = np.empty((0, self.values, len(self.t), self.hit.shape[1]))
        for level in reversed(self.path.levels):
            near, far = self.child(level, 0, returned), self.child(level, 1, returned)
            returned = self.up(level, near, far, (phi, start) if pairs else None)
        _add(phi, cells, self.given)

    def down(self, level: Level, P: Floats) -> Floats:
        """Keeps P and the factors of a level; returns P of the next."""
        share = level.share[:, None, None]
        hit = self.hit[level.split]
        edges = self.edge_hit[2 * level.split.start : 2 * level.split.stop]
        near, far = edges[::2], edges[1::2]
        near[:] = hit
        np.subtract(1, hit, out=far)
        F = self.t[:, None] * (hit[:, None] - share)
        F += share
        if len(again := level.again):
            edge = level.earlier[again]
            earlier, before = self.edge_hit[edge], self.path.edge_share[edge][:, None, None]
            inverse = 1 / (before + self.t[:, None] * (1 - before))
            lift = before * share[again] * (1 - self.t[:, None]) * inverse - share[again]
            F[again] = share[again] + earlier[:, None] * (lift + self.t[:, None] * inverse * hit[again, None])
            near[again] *= earlier
            far[again] *= earlier
        self.P.append(P)
        self.F.append(F)
        return self.arriving(level, P[: level.tips], F[: level.tips])

    def arriving(self, level: Level, P: Floats, F: Floats) -> Floats:
        """P of the next level's splits, from that of the splits above them."""
        left, right = level.sides
        near = P * F
        below = np.empty((len(left.inner) + len(right.inner), *P.shape[1:]))
        below[left.child] = near[left.inner]
        below[right.child] = np.subtract(P, near, out=near)[right.inner]
        return below

    def child(self, level: Level, side: int, below: Floats) -> Floats:
        """(tips, V, Q, rows): G of the children on one side of what is no tip: leaf values, or the next level's."""
        children = level.sides[side]
        leaves = np.searchsorted(children.leaf, level.tips)
        G = np.empty((level.tips, self.values, len(self.t), self.hit.shape[1]))
        G[children.leaf[:leaves]] = self.trees.values[children.node[:leaves], : self.values, None, None]
        G[children.inner] = below[children.child]
        return G

    def tip(self, level: Level, side: int) -> Floats:
        """(m - tips, V, 1, 1): values of the leaves on one side of the tips."""
        children = level.sides[side]
        leaves = np.searchsorted(children.leaf, level.tips)
        values: Floats = self.trees.values[children.node[leaves:], : self.values, None, None]
        return values

    def up(self, level: Level, near: Floats, far: Floats, pairs: tuple[Floats, Places] | None) -> Floats:
        """Notes a level's contributions; returns G of its splits. Overwrites `near`."""
        P, F, tips = self.P.pop(), self.F.pop(), level.tips
        amount = self.hit[level.split] - level.share[:, None]
        if len(again := level.again):
            edge = level.earlier[again]
            before = self.path.edge_share[edge][:, None]
            amount[again] *= self.edge_hit[edge] * before
            P = P.copy()
            P[again] /= ((before + self.t * (1 - before)) ** 2)[:, :, None]
        D, beyond = np.subtract(near, far, out=near), self.tip(level, 1)
        step = self.tip(level, 0) - beyond  # D of a tip, the same at every node
        total = self.given[level.split]
        np.einsum("mqr,mvqr->mvr", P[:tips], D, out=total[:tips])
        np.multiply(P[tips:].sum(axis=1)[:, None], step[:, :, 0], out=total[tips:])
        total *= amount[:, None]
        if pairs:
            self.add_pairs(level, *pairs, amount, np.concatenate([P[:tips, None] * D, P[tips:, None] * step]))
        G = np.empty((len(F), *D.shape[1:]))
        np.multiply(D, F[:tips, None], out=G[:tips])
        G[:tips] += far
        np.multiply(step, F[tips:, None], out=G[tips:])
        G[tips:] += beyond
        return G

    def add_pairs(self, level: Level, phi: Floats, start: Places, amount: Floats, contribution: Floats) -> None:
        """Each split's feature with every other one above it: half of the sum over q of P D R."""
        feature, start = self.trees.feature[self.path.split], start[level.split]
        for edges in level.above.T:
            other = np.flatnonzero((edges >= 0) & (edges != level.earlier))
            if not len(other):
                continue
            edge = edges[other]
            share = self.path.edge_share[edge][:, None, None]
            missed = -1 / (1 - self.t[:, None])
            gain = (1 - share) / (share + self.t[:, None] * (1 - share)) - missed
            R = missed + self.edge_hit[edge][:, None] * gain
            there, here = feature[edge // 2].astype(np.int64), feature[level.split][other]
            cell = np.minimum(there, here) * self.trees.features + np.maximum(there, here)
            total = (contribution[other] * R[:, None]).sum(axis=2)
            _add(phi, start[other] + cell, 0.5 * amount[other, None] * total)


def _add(phi: Floats, cell: Places, given: Floats) -> None:
    """phi (V, cells, rows) += given (m, V, rows), by cell (m)."""
    order = np.argsort(cell, kind="stable")
    cells, starts = np.unique(cell[order], return_index=True)
    phi[:, cells] += np.add.reduceat(given[order], starts, axis=0).transpose(1, 0, 2)
