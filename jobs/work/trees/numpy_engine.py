"""The recurrences of kernel.c in NumPy, for a machine without the C kernel. Slower, but faster than shap's own.

One tree at a time, all splits of a level at once, for as many rows as keep a tree's vectors in the cache. Arrays are
(splits, Q, rows), and (splits, V, Q, rows) on the way up. See engine.py for the mathematics.
"""

import numpy as np

from jobs.work.trees.arrays import ALL_OUTPUTS, Floats, Rule, Trees
from jobs.work.trees.columns import Columns
from jobs.work.trees.paths import Level, Paths, paths
from jobs.work.trees.quadrature import table

CELLS = 1 << 17
"""Numbers in an array of all splits: rows are taken in pieces of CELLS / (S Q)."""
FEWEST_ROWS = 8


def accumulate(trees: Trees, seen: Columns, *, pairs: bool) -> Floats:
    """SHAP values (n, K, F), or pairs (n, K, F, F): above the diagonal the pairs, on it the SHAP values."""
    n, features, outputs = len(seen.rows), trees.features, len(trees.base)
    cells = features * features if pairs else features
    phi = np.zeros((outputs, cells, n))
    for tree in range(trees.trees):
        path = paths(trees, tree)
        if path is None:
            continue
        whole = trees.tree_output[tree] == ALL_OUTPUTS
        own = phi if whole else phi[trees.tree_output[tree]][None]
        piece = max(FEWEST_ROWS, CELLS // (len(path.split) * path.points))
        for start in range(0, n, piece):
            walk = _Walk(trees, path, _hits(trees, seen, path, slice(start, start + piece)), len(own))
            walk.run(own[:, :, start : start + piece], pairs=pairs)
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

    def run(self, phi: Floats, *, pairs: bool) -> None:
        """Adds to phi (V, cells, rows)."""
        arriving = np.broadcast_to(self.weights[None, :, None], (1, len(self.t), self.hit.shape[1]))
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
        child = self.path.child[level.split] >= 0
        left = P * F
        right = P[child[:, 1]] - left[child[:, 1]]
        return np.concatenate([left[child[:, 0]], right])

    def up(self, depth: int, below: Floats, phi: Floats, pairs: bool) -> Floats:
        """Adds a level's contributions to phi; returns G of its splits, from those of the next level."""
        level, P, F = self.path.levels[depth], self.P.pop(), self.F.pop()
        near, far = self.child(level, 0, below), self.child(level, 1, below)
        D = near - far
        contribution = P[:, None] * D
        share = self.trees.left_share[self.path.split[level.split]][:, None]
        hit = self.hit[level.split]
        amount = hit - share
        again = np.flatnonzero(level.earlier >= 0)
        if len(again):
            edge = level.earlier[again]
            before = self.path.edge_share[edge][:, None]
            contribution[again] /= ((before + self.t * (1 - before)) ** 2)[:, None, :, None]
            amount[again] = self.edge_hit[edge] * before * amount[again]
        feature = self.trees.feature[self.path.split[level.split]].astype(np.int64)
        self.add(phi, feature * (self.trees.features + 1) if pairs else feature, amount, contribution.sum(axis=2))
        if pairs:
            self.add_pairs(level, phi, feature, amount, contribution)
        D *= F[:, None]
        D += far
        return D

    def child(self, level: Level, side: int, below: Floats) -> Floats:
        """(m, V, Q, rows): G of the children on one side: leaf values, or what the next level returned."""
        place = self.path.child[level.split, side]
        node = self.path.leaf[level.split, side]
        G = np.empty((len(place), self.values, len(self.t), self.hit.shape[1]))
        G[:] = self.trees.values[node, : self.values, None, None]
        inner = place >= 0
        count = int((self.path.child[level.split, 0] >= 0).sum())
        G[inner] = below[:count] if side == 0 else below[count:]
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
            self.add(phi, cell, 0.5 * amount[other], (contribution[other] * R[:, None]).sum(axis=2))
