"""Saabas' values: along the path of a row, every split's feature gets what the expected output changes by.

One order of the features instead of all of them, so it is fast and not consistent. Runs where the library is used.
Source: Ando Saabas, "Interpreting random forests" (2014).
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shaptrees.arrays import Floats, Trees
from shaptrees.covers import steps
from shaptrees.outputs import shaped
from shaptrees.rules import ALL_OUTPUTS

_CELLS = 1 << 18
"""Rows times trees that are followed at a time."""


def approximate_values(trees: Trees, x: NDArray[np.floating]) -> Floats:
    """Of rows x (n, F), in the units of the raw output: (n, F), or (n, F, K). They add up as SHAP values do.

    Raises FeatureCount where x has another number of columns.
    """
    seen, means = trees.read(x), trees.means()
    phi = np.zeros((len(seen), len(trees.base), trees.features))
    piece = max(1, _CELLS // trees.trees)
    for first in range(0, len(seen), piece):
        path = steps(trees, seen[first : first + piece])
        for before, after in pairwise(path):
            _add(trees, means, before, after, phi[first : first + piece])
    return shaped(trees, phi)


def _add(trees: Trees, means: Floats, before: NDArray[np.int64], after: NDArray[np.int64], phi: Floats) -> None:
    row, tree = np.nonzero(after >= 0)
    split, child = before[row, tree], after[row, tree]
    change, feature, output = means[child] - means[split], trees.feature[split], trees.tree_output[tree]
    whole = output == ALL_OUTPUTS
    for k in range(phi.shape[1] if whole.any() else 0):
        np.add.at(phi, (row[whole], k, feature[whole]), change[whole, k])
    np.add.at(phi, (row[~whole], output[~whole], feature[~whole]), change[~whole, 0])
