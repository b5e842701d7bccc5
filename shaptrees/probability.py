"""What turns differences of raw outputs into differences of probabilities, pair by pair of a row and a background row.

For a pair, (s(x) - s(b)) / (x - b) times the raw values of that pair; s is the logistic function. Raw values can be
had for any weights of the background at the cost of one walk, whatever the rows; and the matrix of these slopes, a
smooth function of two numbers, is to machine precision a sum of a few products of a function of the row and one of
the background row. So a few walks are enough.
"""

import numpy as np

from shaptrees.arrays import Floats

NEGLIGIBLE = 1e-13


def logistic(z: Floats) -> Floats:
    """1 / (1 + exp(-z)), without overflow."""
    small = np.exp(-np.abs(z))
    chance: Floats = np.where(z < 0, small, 1.0) / (1 + small)
    return chance


def slopes(x: Floats, background: Floats) -> Floats:
    """(n, N): the slope of the chord of the logistic function between each x (n,) and background (N,)."""
    half = (x[:, None] - background) / 2
    middle = (x[:, None] + background) / 2
    # s(x) - s(b) = sinh(half) / (cosh(half) + cosh(middle)); exponents are kept negative.
    size = np.abs(half)
    top = np.where(size < SMALL, 1 + half**2 / 6, -np.expm1(-2 * size) / np.where(size < SMALL, 1, 2 * size))
    top = np.where(size < SMALL, top * np.exp(-size), top)
    most = np.maximum(size, np.abs(middle))
    cosh = np.exp(size - most) * (1 + np.exp(-2 * size)) / 2
    other = np.exp(np.abs(middle) - most) * (1 + np.exp(-2 * np.abs(middle))) / 2
    chord: Floats = np.exp(size - most) * top / 2 / (cosh + other)
    return chord


SMALL = 1e-3


def low_rank(matrix: Floats) -> tuple[Floats, Floats]:
    """Factors (n, r) and (r, N) whose product is the matrix to machine precision, with the smallest such r."""
    left, size, right = np.linalg.svd(matrix, full_matrices=False)
    rank = max(1, int((size > NEGLIGIBLE * size[0]).sum()))
    return left[:, :rank] * size[:rank], right[:rank]
