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

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.work.trees import numpy_background, numpy_engine
from jobs.work.trees.arrays import Floats, Link, Trees
from jobs.work.trees.columns import Columns, aligned, columns
from jobs.work.trees.probability import low_rank, slopes
from jobs.work.trees.quadrature import table

_kernel: ModuleType | None
try:
    from jobs.work.trees import _kernel  # type: ignore[attr-defined,no-redef]

    _REASON = ""
except ImportError as fault:  # built without a compiler
    _kernel = None
    _REASON = str(fault)

NUMPY = "numpy"


def available() -> tuple[str, ...]:
    """The implementations that this machine can run, slowest first: "numpy", and levels of the C kernel."""
    return (NUMPY,) if _kernel is None else (NUMPY, *_kernel.levels())


def chosen() -> tuple[str, str]:
    """The implementation that is taken where none is named, and in a few words why."""
    if _kernel is None:
        return NUMPY, f"the C kernel is not installed: {_REASON}"
    return available()[-1], "the widest vectors that this processor has"


def shap_values(trees: Trees, x: NDArray[np.floating], *, level: str | None = None) -> Floats:
    """SHAP values of rows x (n, F), in the units of the model's raw output: (n, F), or (n, F, K) for K outputs.

    Values of a row and `trees.expected_value` add up to its prediction. `level` is one of `available()`. Raises
    FeatureCount where x has another number of columns, MemoryError before it starts where memory does not suffice.
    """
    phi = _accumulate(trees, columns(trees, x), level, pairs=False)
    return _shaped(trees, phi)


def interaction_values(trees: Trees, x: NDArray[np.floating], *, level: str | None = None) -> Floats:
    """SHAP interaction values of rows x (n, F): (n, F, F), or (n, F, F, K) for K outputs; symmetric.

    The pair (i, j) is split evenly over both cells; a row of the matrix adds up to the SHAP value of its feature.
    Errors as for `shap_values`.
    """
    phi = _accumulate(trees, columns(trees, x), level, pairs=True)
    own = np.einsum("nkii->nki", phi).copy()
    np.einsum("nkii->nki", phi)[:] = 0.0
    phi += phi.transpose(0, 1, 3, 2).copy()
    np.einsum("nkii->nki", phi)[:] = own - phi.sum(axis=3)
    return _shaped(trees, phi)


def interventional_values(
    trees: Trees,
    x: NDArray[np.floating],
    background: NDArray[np.floating],
    *,
    model_output: str = "raw",
    level: str | None = None,
) -> Floats:
    """Interventional SHAP values of rows x (n, F) against every background row (N, F): (n, F), or (n, F, K).

    With `model_output="raw"`, a row's values and the background's mean prediction add up to its prediction. With
    "probability", predictions are put through the model's link, which must be logistic; the difference for a pair of
    rows is handed to features in proportion to their raw values for that pair, as shap does. Features that are not
    known come from the background, all at once. Other errors as for `shap_values`; ValueError for other outputs.
    """
    if model_output == "probability" and trees.link != Link.LOGISTIC:
        raise ValueError("only a model with a logistic link has probabilities that differ from its raw output")
    if model_output not in ("raw", "probability"):
        raise ValueError(f"model_output is raw or probability, not {model_output}")
    both = columns(trees, np.concatenate([x, background]).astype(np.float64))
    n, back = len(x), len(background)
    if model_output == "raw":
        weights = np.full((1, back), 1 / back)
        return _shaped(trees, _against(trees, both, n, weights[0], level))
    raw = trees.predict(np.concatenate([x, background]))
    phi = np.zeros((n, len(trees.base), trees.features))
    for output in range(len(trees.base)):
        left, right = low_rank(slopes(raw[:n, output], raw[n:, output]) / back)
        for of_row, weights in zip(left.T, right, strict=True):
            phi[:, output] += of_row[:, None] * _against(trees, both, n, weights, level)[:, output]
    return _shaped(trees, phi)


def _against(trees: Trees, both: Columns, n: int, weights: Floats, level: str | None) -> Floats:
    """(n, K, F): values of the first n rows against the others, which are weighted (N,)."""
    level = level or chosen()[0]
    if level == NUMPY or _kernel is None:
        return numpy_background.accumulate(trees, both, n, weights)
    rows, background = both.rows[:n].T.copy(), both.rows[n:].T.copy()
    phi = np.zeros((len(trees.base), trees.features, n))
    arrays = (*_tree_arrays(trees, both), _points(_kernel.MOST_POINTS), rows, phi)
    sizes = (len(rows), trees.features, len(trees.base))
    _kernel.accumulate_background(arrays, background, weights.copy(), *sizes, _kernel.levels().index(level))
    return phi.transpose(2, 0, 1)


def _accumulate(trees: Trees, seen: Columns, level: str | None, *, pairs: bool) -> Floats:
    """(n, K, F) or (n, K, F, F), before complements."""
    level = level or chosen()[0]
    if level == NUMPY or _kernel is None:
        return numpy_engine.accumulate(trees, seen, pairs=pairs)
    blocks = seen.blocks(_kernel.LANES)
    cells = (trees.features,) * (2 if pairs else 1)
    phi = aligned((len(blocks), len(trees.base), *cells, _kernel.LANES))
    arrays = (*_tree_arrays(trees, seen), _points(_kernel.MOST_POINTS), blocks, phi)
    sizes = (blocks.shape[1], trees.features, len(trees.base))
    _kernel.accumulate(arrays, *sizes, pairs, _kernel.levels().index(level))
    return np.moveaxis(phi, -1, 1).reshape(-1, *phi.shape[1:-1])[: len(seen.rows)]


def _tree_arrays(trees: Trees, seen: Columns) -> tuple[NDArray[Any], ...]:
    return (
        trees.offsets,
        trees.left,
        trees.right,
        trees.feature,
        seen.slot,
        seen.threshold,
        trees.rule,
        trees.set_start,
        trees.set_words,
        trees.sets,
        trees.left_share,
        trees.values,
        trees.tree_output,
    )


@cache
def _points(most: int) -> Floats:
    """(most + 1, 2, most): nodes and weights on [0, 1] for every number of them."""
    points = np.zeros((most + 1, 2, most))
    for count in range(1, most + 1):
        points[count, :, :count] = table(count)
    return points


def _shaped(trees: Trees, phi: Floats) -> Floats:
    """(n, K, ...) to (n, ..., K), or (n, ...) for a single output."""
    if trees.complement:
        return np.stack([-phi[:, 0], phi[:, 0]], axis=-1)
    return phi[:, 0] if len(trees.base) == 1 else np.moveaxis(phi, 1, -1)
