"""Interventional values against shap, and probabilities."""

import numpy as np
import pytest

from shaptrees import engine
from shaptrees.errors import FeatureCount
from shaptrees.probability import low_rank, slopes
from shaptrees.readers import sklearn as sklearn_reader

sklearn_ensemble = pytest.importorskip("sklearn.ensemble")
shap = pytest.importorskip("shap")

SINGLE = 1e-6
"""shap keeps thresholds and leaf values in single precision here; test_properties.py compares with the definition."""


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(600, 12)).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("depth", [3, 8, 14])
@pytest.mark.parametrize("size", [7, 150])
def test_raw_values_are_those_of_shap_without_its_cut_to_100_background_rows(
    rows: np.ndarray, depth: int, size: int
) -> None:
    model = sklearn_ensemble.RandomForestRegressor(5, max_depth=depth, random_state=0).fit(rows, rows.sum(axis=1))
    background, x = rows[:size], rows[200:230]
    masker = shap.maskers.Independent(background, max_samples=size)
    expected = shap.TreeExplainer(model, masker).shap_values(x, check_additivity=False)
    for level in engine.available():
        found = engine.Background(sklearn_reader.convert(model).trees, background, level=level).values(x)
        assert np.abs(found - expected).max() <= SINGLE * np.abs(expected).max()


def test_probabilities_are_those_of_shap(rows: np.ndarray) -> None:
    model = sklearn_ensemble.GradientBoostingClassifier(random_state=0).fit(rows, rows[:, 0] + rows[:, 1] > 0)
    background, x = rows[:80], rows[200:230]
    explainer = shap.TreeExplainer(model, background, model_output="probability")
    expected = explainer.shap_values(x, check_additivity=False)
    against = engine.Background(sklearn_reader.convert(model).trees, background, model_output="probability")
    found = against.values(x)
    assert np.abs(found - expected).max() <= SINGLE * np.abs(expected).max()
    mean = model.predict_proba(background)[:, 1].mean()
    assert np.allclose(against.expected_value, mean, rtol=0, atol=1e-12)
    assert np.allclose(found.sum(axis=1) + mean, model.predict_proba(x)[:, 1], rtol=0, atol=1e-12)


def logistic(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


def test_slopes_of_the_logistic_function_near_and_far() -> None:
    x, background = np.array([-800.0, -3.0, 0.0, 1e-9, 2.0, 700.0]), np.array([-700.0, -3.0, 0.0, 1e-3, 10.0])
    with np.errstate(over="ignore"):
        gap = x[:, None] - background
        derivative = logistic(x[:, None]) * (1 - logistic(x[:, None]))
        expected = np.where(np.abs(gap) < 1e-2, derivative, 0)
        far = np.abs(gap) >= 1e-2
        expected[far] = ((logistic(x[:, None]) - logistic(background)) / np.where(gap == 0, 1, gap))[far]
    found = slopes(x, background)
    assert np.allclose(found[far], expected[far], rtol=1e-9, atol=1e-300)
    assert np.allclose(found, expected, rtol=2e-3)
    left, right = low_rank(found)
    assert np.abs(left @ right - found).max() < 1e-13


def test_what_cannot_be_is_refused(rows: np.ndarray) -> None:
    trees = sklearn_reader.convert(sklearn_ensemble.RandomForestRegressor(2, max_depth=2).fit(rows, rows[:, 0])).trees
    with pytest.raises(ValueError, match="logistic"):
        engine.Background(trees, rows[:3], model_output="probability")
    with pytest.raises(ValueError, match="raw or probability"):
        engine.Background(trees, rows[:3], model_output="log")
    with pytest.raises(FeatureCount):
        engine.shap_values(trees, rows[:2, :5])
