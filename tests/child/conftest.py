"""Rows and targets that the tests of this room share."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from tests.child.support import skops_bytes


@dataclass
class Samples:
    """Rows and targets, the same in every run."""

    x: np.ndarray
    number: np.ndarray
    two: np.ndarray
    three: np.ndarray

    @property
    def columns(self) -> list[str]:
        return [f"col{index}" for index in range(self.x.shape[1])]


@pytest.fixture(scope="session")
def samples() -> Samples:
    x = np.random.default_rng(7).normal(size=(120, 5))
    number = 2 * x[:, 0] + x[:, 1] * x[:, 2] - x[:, 3]
    return Samples(x, number, (number > 0).astype(int), np.digitize(number, [-1, 1]))


@pytest.fixture(scope="session")
def forest(samples: Samples) -> bytes:
    """A small regression forest, as a file."""
    return skops_bytes(RandomForestRegressor(5, random_state=0).fit(samples.x, samples.number))
