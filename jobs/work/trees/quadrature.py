"""Gauss-Legendre nodes and weights on [0, 1], and how many of them a tree needs. The C kernel decides alike."""

import numpy as np

from jobs.work.trees.arrays import Floats

RADII = np.array([8.0, 16.0, 32.0, 64.0])
REACH = (2 + RADII + 1 / RADII) / 4
TOLERANCE = 1e-11
"""Of leaf values: two digits to spare."""
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
    """The most that factors c + z (h - c) can be on each ellipse, for shares c (m,): (m, len(RADII))."""
    return share[:, None] + REACH * (1 - share[:, None])


def enough_points(distinct: int, most_growth: Floats) -> int:
    """Nodes for paths of up to `distinct` features, whose products of growths are at most `most_growth`.

    A product of n factors is exact with ceil(n / 2). Fewer do where the factors are tame: on the ellipse with foci 0
    and 1 and parameter rho, a factor is at most its growth, and the error of Q nodes at most 32/15 rho^(-2Q) / (1 -
    rho^-2) times their product (Trefethen, "Is Gauss quadrature better than Clenshaw-Curtis?", 2008, theorem 4.5).
    """
    exact = max(1, (distinct + 1) // 2)
    for points in range(1, exact):
        if (most_growth * 32 / 15 * RADII ** (-2.0 * points) / (1 - RADII**-2) < TOLERANCE).any():
            return points
    return min(exact, MOST_POINTS)
