"""What a model's raw output is turned into before it is explained: a probability, or the loss for a label.

Each with the slope of its chords: for a pair of a row and a background row, the difference of what they are turned
into is handed to features in proportion to their raw values for that pair. Runs where the library is used. How the
slopes of all pairs are used: see `background`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shaptrees.arrays import Floats
from shaptrees.probability import logistic, slopes

_NEAR = 1e-2


@dataclass(frozen=True)
class Transform:
    """`of(raw, y)` is what raw outputs (n,) become; `chords(x, b, y)` (n, N) are its slopes between x (n,), b (N,)."""

    of: Callable[[Floats, Floats], Floats]
    chords: Callable[[Floats, Floats, Floats], Floats]
    labels: bool = True
    """Whether it asks for labels y (n,)."""


def _squared(raw: Floats, y: Floats) -> Floats:
    return np.asarray((y - raw) ** 2)


def _squared_chords(x: Floats, b: Floats, y: Floats) -> Floats:
    return np.asarray(x[:, None] + b - 2 * y[:, None])


def _cross_entropy(raw: Floats, y: Floats) -> Floats:
    return np.asarray(np.logaddexp(0, raw) - y * raw)


def _cross_entropy_chords(x: Floats, b: Floats, y: Floats) -> Floats:
    """Of log(1 + exp(z)), less the label; by its derivatives at the middle where the ends are near each other."""
    run, middle = x[:, None] - b, (x[:, None] + b) / 2
    near, share = np.abs(run) < _NEAR, logistic(middle)
    bend = share * (1 - share) * (1 - 2 * share)
    rise = np.logaddexp(0, x)[:, None] - np.logaddexp(0, b)
    return np.where(near, share + bend * run**2 / 24, rise / np.where(near, 1, run)) - y[:, None]


PROBABILITY = Transform(lambda raw, _: logistic(raw), lambda x, b, _: slopes(x, b), labels=False)
LOSSES = {
    "squared_error": Transform(_squared, _squared_chords),
    "cross_entropy": Transform(_cross_entropy, _cross_entropy_chords),
}
