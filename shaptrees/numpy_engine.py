"""The recurrences of kernel.c in NumPy, for a machine without the C kernel. Slower, but faster than shap's own.

A few trees at a time, all splits of a level at once, for as many rows as keep their vectors in the cache. Arrays are
(splits, Q, rows), and (splits, V, Q, rows) on the way up. See engine.py for the mathematics.
"""

from typing import NamedTuple

import numpy as np

from shaptrees.arrays import Floats, Trees
from shaptrees.columns import Columns
from shaptrees.pairs import Pairs
from shaptrees.paths import Level, Paths, Places, groups, paths
from shaptrees.quadrature import table
from shaptrees.rules import ALL_OUTPUTS, Rule

CELLS = 1 << 18
"""Numbers in an array of all splits: rows are taken in pieces of CELLS / (S Q)."""
FEWEST_ROWS = 8


def accumulate(trees: Trees, seen: Columns, pairs: Pairs | None) -> Floats:
    """SHAP values (n, K, F), or with pairs (n, K, F + P) these and half of each pair."""
    n, outputs = len(seen.rows), len(trees.base)
    cells = pairs.cells if pairs else trees.features
    phi = np.zeros((outputs, cells, n))
    output_of = np.repeat(trees.tree_output, np.diff(trees.offsets)).astype(np.int64)
    for group in groups(trees):
        path = paths(trees, group)
        output = output_of[path.split]
        whole = output[0] == ALL_OUTPUTS
        own, start = (phi, 0 * output) if whole else (phi.reshape(1, -1, n), output * cells)
        own_cells = start + trees.feature[path.split].astype(np.int64)
        piece = min(n, max(FEWEST_ROWS, CELLS // (len(path.split) * path.points)))
        walk = _Walk(trees, path, len(own), piece)
        for first in range(0, n, piece):
            walk.begin(_hits(trees, seen, path, slice(first, first + piece)))
            walk.run(own[:, :, first : first + piece], own_cells, start, pairs)
    return phi.transpose(2, 0, 1).copy()


def _hits(trees: Trees, seen: Columns, path: Paths, rows: slice) -> Floats:
    """(S, rows): 1 where a row goes left at a split."""
    x = seen.rows[rows].T[seen.slot[path.split]]
    left = x <= seen.threshold[path.split, None]
    for split in np.flatnonzero(trees.rule[path.split] != Rule.THRESHOLD):
        node = np.full(x.shape[1], path.split[split])
        left[split] = trees.goes_left(node, np.where(np.isneginf(x[split]), np.nan, x[split]))
    return left.astype(np.float64)


class Sums(NamedTuple):
    """Where pairs add up: phi (V, cells, rows), and for each split (S,) where its tree's cells begin."""

    phi: Floats
    start: Places
    pairs: Pairs


class _Walk:
    """Down and up some trees, for a piece of rows after the other in the same memory: fresh pages cost as much time as
    the arithmetic that fills them.
    """

    def __init__(self, trees: Trees, path: Paths, values: int, rows: int) -> None:
        self.trees, self.path = trees, path
        self.t, self.weights = table(path.points)
        splits, points = len(path.split), path.points
        widest = max(level.tips for level in path.levels)
        self._whole = (
            np.empty((splits, points, rows)),
            np.empty((splits, points, rows)),
            np.empty((splits, values, points, rows)),
            np.empty((2, max(1, widest), values, points, rows)),
            np.empty((2 * splits, rows)),
            np.empty((splits, values, rows)),
            np.empty((splits if path.steep else 0, points, rows)),
        )

    def begin(self, hit: Floats) -> None:
        """With the next rows: `hit` (S, rows)."""
        self.hit = hit
        self.P, self.F, self.G, self.sides, self.edge_hit, self.given, self.E = (
            array[..., : hit.shape[1]] for array in self._whole
        )

    def run(self, phi: Floats, cells: Places, start: Places, pairs: Pairs | None) -> None:
        """Adds to phi (V, cells, rows); `cells` (S,) is where each split adds, `start` where its tree's cells begin."""
        self.P[self.path.levels[0].split] = self.weights[:, None]
        for level in self.path.levels:
            self.down(level)
        for level in reversed(self.path.levels):
            self.up(level, Sums(phi, start, pairs) if pairs else None)
        _add(phi, cells, self.given)

    def down(self, level: Level) -> None:
        """The factors of a level, and P of the next."""
        hit = self.hit[level.split]
        edges = self.edge_hit[2 * level.split.start : 2 * level.split.stop]
        near, far = edges[::2], edges[1::2]
        near[:] = hit
        np.subtract(1, hit, out=far)
        if len(again := level.again):
            near[again] *= self.edge_hit[level.earlier[again]]
            far[again] *= self.edge_hit[level.earlier[again]]
        self.factors(level, 0, hit, near, self.F[level.split])
        if self.path.steep:
            self.factors(level, 1, 1 - hit, far, self.E[level.split])
        self.arrive(level)

    def factors(self, level: Level, side: int, hit: Floats, edge_hit: Floats, F: Floats) -> None:
        """(m, Q, rows) of one side, into F; `edge_hit` (m, rows) is 1 where a row follows all edges on the feature."""
        share = level.share[:, side, None, None]
        np.multiply(self.t[:, None], hit[:, None], out=F)
        F += share * (1 - self.t[:, None])
        if len(again := level.again):
            edge = level.earlier[again]
            earlier, before = self.edge_hit[edge, None], self.path.edge_share[edge][:, None, None]
            inverse = 1 / (before + self.t[:, None] * (1 - before))
            repeated = (self.t[:, None] * inverse) * edge_hit[again, None]
            repeated += (before * share[again] * (1 - self.t[:, None]) * inverse) * earlier
            repeated += share[again] * (1 - earlier)
            F[again] = repeated

    def arrive(self, level: Level) -> None:
        """P of the next level's splits, from that of the splits above them."""
        left, right = level.sides
        P, F = self.P[level.split][: level.tips], self.F[level.split][: level.tips]
        near = np.multiply(P, F, out=self.sides[0, : level.tips, 0])
        self.P[left.child] = near[left.inner]
        if self.path.steep:
            self.P[right.child] = P[right.inner] * self.E[level.split][: level.tips][right.inner]
        else:
            self.P[right.child] = np.subtract(P[right.inner], near[right.inner], out=near[right.inner])

    def side(self, level: Level, number: int) -> Floats:
        """(tips, V, Q, rows): G of the children on one side of what is no tip: leaf values, or the next level's."""
        children, G = level.sides[number], self.sides[number, : level.tips]
        G[children.leaf] = self.leaves(children.value)
        G[children.inner] = self.G[children.child]
        return G

    def leaves(self, nodes: Places) -> Floats:
        """(nodes, V, 1, 1): their values."""
        values: Floats = self.trees.values[nodes, : self.given.shape[1], None, None]
        return values

    def up(self, level: Level, sums: Sums | None) -> None:
        """Notes a level's contributions, and G of its splits. Divides P where features repeat."""
        P, F, G, tips = self.P[level.split], self.F[level.split], self.G[level.split], level.tips
        amount = np.where(self.hit[level.split] > 0, level.share[:, 1:], -level.share[:, :1])
        if len(again := level.again):
            edge = level.earlier[again]
            before = self.path.edge_share[edge][:, None]
            amount[again] *= self.edge_hit[edge] * before
            P[again] /= ((before + self.t * (1 - before)) ** 2)[:, :, None]
        near, far = self.side(level, 0), self.side(level, 1)
        D = np.subtract(near, far, out=None if self.path.steep else near)
        beyond = self.leaves(level.sides[1].tip)
        step = self.leaves(level.sides[0].tip) - beyond  # D of a tip, the same at every node
        total = self.given[level.split]
        np.einsum("mqr,mvqr->mvr", P[:tips], D, out=total[:tips])
        np.multiply(P[tips:].sum(axis=1)[:, None], step[:, :, 0], out=total[tips:])
        total *= amount[:, None]
        if sums:
            self.add_pairs(level, sums, amount, np.concatenate([P[:tips, None] * D, P[tips:, None] * step]))
        if self.path.steep:
            self.both_sides(level, near, far)
            return
        np.multiply(D, F[:tips, None], out=G[:tips])
        G[:tips] += far
        np.multiply(step, F[tips:, None], out=G[tips:])
        G[tips:] += beyond

    def both_sides(self, level: Level, near: Floats, far: Floats) -> None:
        """G of a level of steep trees: of each side its own factor."""
        F, E, G, tips = self.F[level.split], self.E[level.split], self.G[level.split], level.tips
        G[:tips] = near * F[:tips, None] + far * E[:tips, None]
        of_near, of_far = (self.leaves(level.sides[side].tip) for side in (0, 1))
        G[tips:] = of_near * F[tips:, None] + of_far * E[tips:, None]

    def add_pairs(self, level: Level, sums: Sums, amount: Floats, contribution: Floats) -> None:
        """Each split's feature with every other one above it: half of the sum over q of P D R."""
        feature, start = self.trees.feature[self.path.split], sums.start[level.split]
        for edges in level.above.T:
            other = np.flatnonzero((edges >= 0) & (edges != level.earlier))
            if not len(other):
                continue
            edge = edges[other]
            share, rest = self.path.edge_share[edge][:, None, None], self.path.edge_rest[edge][:, None, None]
            followed = rest / (share + self.t[:, None] * rest)
            R = np.where(self.edge_hit[edge][:, None] > 0, followed, -1 / (1 - self.t[:, None]))
            there, here = feature[edge // 2].astype(np.int64), feature[level.split][other]
            cell = sums.pairs.cell(there, here.astype(np.int64))
            total = (contribution[other] * R[:, None]).sum(axis=2)
            _add(sums.phi, start[other] + cell, 0.5 * amount[other, None] * total)


def _add(phi: Floats, cell: Places, given: Floats) -> None:
    """phi (V, cells, rows) += given (m, V, rows), by cell (m)."""
    order = np.argsort(cell, kind="stable")
    cells, starts = np.unique(cell[order], return_index=True)
    phi[:, cells] += np.add.reduceat(given[order], starts, axis=0).transpose(1, 0, 2)
