"""Gauss-Legendre nodes and weights on [0, 1], and how many of them a tree needs. The C kernel decides alike."""

import math

import numpy as np

from shaptrees.arrays import Floats

RADII = np.array([4.0, 8.0, 16.0, 32.0])
TOLERANCE = 1e-12
"""Of leaf values: three digits to spare."""
NEWTON_STEPS = 8
MOST_POINTS = 64


def table(count: int) -> tuple[Floats, Floats]:
    """Nodes and weights that integrate polynomials of degree below 2 * count exactly.

    The roots of the Legendre polynomial by Newton's method (Press et al., "Numerical Recipes", section 4.5). NumPy's
    leggauss finds eigenvalues for that, and LAPACK's first call takes 32 MB of address space from a child.
    """
    x = np.cos(np.pi * (np.arange(count) + 0.75) / (count + 0.5))
    for _ in range(NEWTON_STEPS):
        value, slope = _legendre(count, x)
        x = x - value / slope
    _, slope = _legendre(count, x)
    return (1 - x) / 2, 1 / ((1 - x**2) * slope**2)


def _legendre(degree: int, x: Floats) -> tuple[Floats, Floats]:
    """The Legendre polynomial and its derivative."""
    before, value = np.ones_like(x), x
    for n in range(2, degree + 1):
        before, value = value, ((2 * n - 1) * x * value - (n - 1) * before) / n
    return value, degree * (x * value - before) / (x**2 - 1)


def growth(share: Floats) -> Floats:
    """What a factor's Taylor series is at most at each radius, for shares c (m,): (m, len(RADII))."""
    share = share[:, None]
    grown: Floats = np.maximum(1 + (1 - share) * RADII, share * (1 + RADII))
    return grown


def enough_points(distinct: int, most_growth: Floats) -> int:
    """Nodes for paths of up to `distinct` features, whose products of growths are at most `most_growth`.

    A product of n factors is exact with ceil(n / 2). Fewer do where factors are tame: the error of Q nodes on [0, 1]
    is (Q!)^4 / ((2Q + 1) (2Q)!^2) times a Taylor coefficient f^(2Q)(x) / (2Q)! (Abramowitz and Stegun, 25.4.30). Around
    any x of [0, 1], that of a product is at most the coefficient of y^(2Q) in the product of 1 + (1 - c) y, for factors
    with h = 1, and c (1 + y), for those with h = 0; and so, for any radius r, at most r^(-2Q) times the product of
    growths, each the larger of both at y = r. A row that misses what nearly all others follow makes them grow most.
    """
    exact = max(1, (distinct + 1) // 2)
    for points in range(1, min(exact, MOST_POINTS)):
        of_nodes = math.exp(4 * math.lgamma(points + 1) - 2 * math.lgamma(2 * points + 1)) / (2 * points + 1)
        if (most_growth * of_nodes * RADII ** (-2.0 * points) < TOLERANCE).any():
            return points
    return min(exact, MOST_POINTS)
