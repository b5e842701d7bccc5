"""Whether values and expected value add up to what the model predicts. Runs where the library is used."""

import numpy as np

from shaptrees.arrays import Floats

TOLERANCE = 1e-4
"""Relative to what is added up: XGBoost and CatBoost add in single precision."""


class AdditivityError(Exception):
    """Values do not add up to the model's own output, so that one of the two is of another model, or other rows."""


def check(phi: Floats, expected: Floats, output: Floats, tolerance: float = TOLERANCE) -> None:
    """Values (n, ..., K) and expected values (K,) or (n, K) against outputs (n, K). Raises AdditivityError."""
    axes = tuple(range(1, phi.ndim - 1))
    found = phi.sum(axis=axes) + expected
    size = np.abs(phi).sum(axis=axes) + np.abs(expected)
    wrong = ~(np.abs(found - output) <= tolerance * np.maximum(1.0, size))
    if wrong.any():
        row, which = np.argwhere(wrong)[0]
        raise AdditivityError(
            f"Additivity check failed: the values of row {row} and the expected value add up to {found[row, which]:g}, "
            f"and the model's output is {output[row, which]:g}. Are rows and columns those that the model knows? "
            "check_additivity=False leaves the check out."
        )
