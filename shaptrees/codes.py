"""From a table's categories to their codes, which are what trees know: the positions in a column's list."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def coded(rows: Floats, x: NDArray[np.floating], categories: dict[int, Floats]) -> Floats:
    """`rows` (n, F), with the positions of what `x` (n, F) has in columns of categories; NaN where it is unknown."""
    for feature, known in categories.items():
        order = np.argsort(known)
        place = order[np.minimum(np.searchsorted(known, x[:, feature], sorter=order), len(known) - 1)]
        rows[:, feature] = np.where(known[place] == x[:, feature], place, np.nan)
    return rows
