"""Rows and targets that the tests of this room share."""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
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


@pytest.fixture(scope="session")
def boosted(samples: Samples) -> xgb.Booster:
    """A small classifier of two classes."""
    params = {"nthread": 1, "max_depth": 3, "objective": "binary:logistic"}
    return xgb.train(params, xgb.DMatrix(samples.x, samples.two), 3)


@pytest.fixture(scope="session")
def light(samples: Samples) -> str:
    """A small regression of LightGBM's, as its text."""
    params = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, "num_leaves": 6}
    return lgb.train(params, lgb.Dataset(samples.x, samples.number), 3).model_to_string()
