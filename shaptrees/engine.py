"""SHAP values, interaction values and interventional values of tree ensembles: exact, in double precision.

For one leaf of value v, with P the distinct features on its path, c_j the share of the cover that follows the edges on
feature j, and h_j whether the row does:

    phi_i += v (h_i - c_i) * integral over t in [0, 1] of the product over j != i of (c_j + t (h_j - c_j))

because |S|! (n-|S|-1)! / n! = integral of t^|S| (1-t)^(n-|S|-1). The integrand is a polynomial, so Gauss-Legendre
nodes give it exactly. `kernel.c` says how one walk over the tree serves all its leaves, and how many nodes are taken.
With two features left out, the same integral gives interactions; with a background row's passes for c_j, it gives
interventional values.

Sources: Wettenstein, Mitchell and Yu, "Quadrature-TreeSHAP" (2026); Yu, Bifet, Read and Xu, "Linear TreeShap" (2022);
what is computed is defined in Lundberg et al., "From local explanations to global understanding with explainable AI
for trees" (2020).
"""

import numpy as np
from numpy.typing import NDArray

from shaptrees import levels, numpy_engine
from shaptrees.arrays import Floats, Trees
from shaptrees.background import Background
from shaptrees.columns import Columns, aligned, columns
from shaptrees.levels import NUMPY, available, chosen, fixed_bytes
from shaptrees.outputs import shaped
from shaptrees.pairs import Pairs
from shaptrees.prediction import predict, stages

__all__ = [
    "NUMPY",
    "Background",
    "available",
    "chosen",
    "fixed_bytes",
    "interaction_pairs",
    "interaction_values",
    "predict",
    "prepare",
    "shap_values",
    "stages",
]

VECTOR = 8
"""Rows that the kernel's widest vectors hold."""


def prepare(trees: Trees, *, pairs: bool = False) -> None:
    """Makes what depends on the trees alone, so that children forked later share it and add no array of nodes.

    What the C kernel walks over is not made here: a compiled tree is used for all rows while it is in the cache, in the
    memory of the largest one; those of a whole forest would take 64 bytes a split, and save a few percent of the time.
    """
    for name in ("left_share", "slot", "bound", "expected_value"):
        getattr(trees, name)
    if levels.kernel is not None:
        levels.points(levels.kernel.MOST_POINTS)
    if pairs:
        trees.pairs.prepare()


def shap_values(trees: Trees, x: NDArray[np.floating], *, level: str | None = None) -> Floats:
    """SHAP values of rows x (n, F), in the units of the model's raw output: (n, F), or (n, F, K) for K outputs.

    Values of a row and `trees.expected_value` add up to its prediction. `level` is one of `available()`. Raises
    FeatureCount where x has another number of columns, MemoryError before it starts where memory does not suffice.
    """
    phi = _accumulate(trees, columns(trees, x), level, None)
    return shaped(trees, phi)


def interaction_values(trees: Trees, x: NDArray[np.floating], *, level: str | None = None) -> Floats:
    """SHAP interaction values of rows x (n, F): (n, F, F), or (n, F, F, K) for K outputs; symmetric.

    The pair (i, j) is split evenly over both cells; a row of the matrix adds up to the SHAP value of its feature.
    Errors as for `shap_values`.
    """
    return shaped(trees, trees.pairs.matrices(_accumulate(trees, columns(trees, x), level, trees.pairs)))


def interaction_pairs(trees: Trees, x: NDArray[np.floating], *, level: str | None = None) -> Floats:
    """What is not zero of `interaction_values`: (n, F + P), or (n, F + P, K).

    First the diagonal, then the P pairs of `trees.pairs`, in the order there: each as it stands in one cell of the
    matrix, so half of what the two features do together. Errors as for `shap_values`.
    """
    phi = _accumulate(trees, columns(trees, x), level, trees.pairs)
    trees.pairs.settle(phi)
    return shaped(trees, phi)


def _accumulate(trees: Trees, seen: Columns, level: str | None, pairs: Pairs | None) -> Floats:
    """SHAP values (n, K, F), or with pairs (n, K, F + P) these and half of each pair; before complements."""
    compiled = levels.at(level)
    if compiled is None:
        return numpy_engine.accumulate(trees, seen, pairs)
    kernel, place = compiled
    n, blocks = len(seen.rows), seen.blocks(kernel.LANES)
    cells = pairs.cells if pairs else trees.features
    lanes = kernel.LANES if pairs is None or len(blocks) > 1 else max(1, -(-n // VECTOR)) * VECTOR
    phi = aligned((len(blocks), len(trees.base), cells, lanes))
    arrays = (*seen.arrays(trees), levels.points(kernel.MOST_POINTS), blocks, phi)
    meet = None if pairs is None else (pairs.start, pairs.second)
    kernel.accumulate(arrays, meet, n, lanes, blocks.shape[1], trees.features, len(trees.base), place)
    return np.moveaxis(phi, -1, 1).reshape(-1, *phi.shape[1:-1])[:n]
