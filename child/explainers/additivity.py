"""Base value plus SHAP values must be the real model's own output: compared in every chunk. Used in children.

shap's own check compares with shap's copy of the trees, and only roughly (1 %); it is silent where the copy is wrong.
"""

import math
from typing import NamedTuple

import numpy as np

from child.explainers.explainer import Explainer
from child.models.model import Rows

ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""Of the most that an output can add up to: what remains of it is uncertain by that."""
NOISE = 1e-6
"""Values that are less certain than this, relative to what they add up, are not given."""


AT_ONCE = 64 * 1024
"""Values whose absolutes are there at once: those of a whole block would be its largest copy."""


class Miss(NamedTuple):
    """The row and output that miss most, measured by what they are allowed to; and what all were compared with."""

    error: float
    tolerance: float
    predictions: Rows
    """The model's own output: (rows, outputs)."""

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance


def largest_miss(explainer: Explainer, rows: Rows, values: Rows) -> Miss:
    """`values` is (rows, features[, features], outputs).

    The tolerance is relative to |base| + sum of |values|, and at least to 1: rounding grows with what is added up, not
    with what remains when it cancels. Where leaves cancel before a value remains it follows them too, up to NOISE.
    """
    axes, base = tuple(range(1, values.ndim - 1)), np.asarray(explainer.base_values)
    predictions = explainer.output.call(rows)
    errors = np.abs(values.sum(axis=axes) + base - predictions)
    size = np.maximum(1.0, _absolute_sums(values) + np.abs(base))
    rounding = np.minimum(ROUNDING * explainer.magnitude, NOISE * size)
    allowed = np.maximum(explainer.relative_error * size, rounding)
    worst = np.unravel_index((errors / allowed).argmax(), errors.shape)  # what is not a number comes before all others
    error, tolerance = float(errors[worst]), float(allowed[worst])
    return Miss(math.inf if math.isnan(error) else error, tolerance if math.isfinite(tolerance) else 0.0, predictions)


def _absolute_sums(values: Rows) -> Rows:
    """(rows, outputs)."""
    rows, outputs = len(values), values.shape[-1]
    cells = values.reshape(rows, -1, outputs)
    sums, at_once = np.zeros((rows, outputs)), max(1, AT_ONCE // cells[0].size)
    width = max(1, AT_ONCE // outputs)
    for row in range(0, rows, at_once):
        for cell in range(0, cells.shape[1], width):
            sums[row : row + at_once] += np.abs(cells[row : row + at_once, cell : cell + width]).sum(axis=1)
    return sums
