"""Gauss-Legendre nodes and weights on [0, 1]."""

import numpy as np
from numpy.polynomial.legendre import leggauss

from jobs.work.trees.arrays import Floats


def table(count: int) -> tuple[Floats, Floats]:
    """Nodes and weights that integrate polynomials of degree below 2 * count exactly."""
    nodes, weights = leggauss(count)
    return (np.asarray(nodes) + 1) / 2, np.asarray(weights) / 2
