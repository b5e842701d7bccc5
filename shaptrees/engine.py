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
from shaptrees.outputs import shaped, symmetric
from shaptrees.prediction import predict, stages

__all__ = [
    "NUMPY",
    "Background",
    "available",
    "chosen",
    "fixed_bytes",
    "interaction_values",
    "predict",
    "prepare",
    "shap_values",
    "stages",
]


def prepare(trees: Trees) -> None:
    """Makes what depends on the trees alone, so that children forked later share it and add no array of nodes.

    What the C kernel walks over is not made here: a compiled tree is used for all rows while it is in the cache, in the
    memory of the largest one; those of a whole forest would take 64 bytes a split, and save a few percent of the time.
    """
    for name in ("left_share", "slot", "bound", "expected_value"):
        getattr(trees, name)
    if levels.kernel is not None:
        levels.points(levels.kernel.MOST_POINTS)


def shap_values(trees: Trees, x: NDArray[np.floating], *, level: str | None = None) -> Floats:
    """SHAP values of rows x (n, F), in the units of the model's raw output: (n, F), or (n, F, K) for K outputs.

    Values of a row and `trees.expected_value` add up to its prediction. `level` is one of `available()`. Raises
    FeatureCount where x has another number of columns, MemoryError before it starts where memory does not suffice.
    """
    phi = _accumulate(trees, columns(trees, x), level, pairs=False)
    return shaped(trees, phi)


def interaction_values(trees: Trees, x: NDArray[np.floating], *, level: str | None = None) -> Floats:
    """SHAP interaction values of rows x (n, F): (n, F, F), or (n, F, F, K) for K outputs; symmetric.

    The pair (i, j) is split evenly over both cells; a row of the matrix adds up to the SHAP value of its feature.
    Errors as for `shap_values`.
    """
    return shaped(trees, symmetric(_accumulate(trees, columns(trees, x), level, pairs=True)))


def _accumulate(trees: Trees, seen: Columns, level: str | None, *, pairs: bool) -> Floats:
    """(n, K, F) or (n, K, F, F), before complements."""
    compiled = levels.at(level)
    if compiled is None:
        return numpy_engine.accumulate(trees, seen, pairs=pairs)
    kernel, place = compiled
    blocks = seen.blocks(kernel.LANES)
    cells = (trees.features,) * (2 if pairs else 1)
    phi = aligned((len(blocks), len(trees.base), *cells, kernel.LANES))
    arrays = (*seen.arrays(trees), levels.points(kernel.MOST_POINTS), blocks, phi)
    kernel.accumulate(arrays, len(seen.rows), blocks.shape[1], trees.features, len(trees.base), pairs, place)
    return np.moveaxis(phi, -1, 1).reshape(-1, *phi.shape[1:-1])[: len(seen.rows)]
