"""Boosters that are read without their library, on parity rows: the arrays predict as the library does."""

import io

import lightgbm
import numpy as np
import pytest
import xgboost

from child.models import conversion, lightgbm_model, parity, read_trees, xgboost_model
from child.parts import Source
from shaptrees.readers import xgboost_head
from shaptrees.rules import Link

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(150, 4))
X[RANDOM.random(X.shape) < 0.1] = np.nan
X[:, 3] = RANDOM.integers(0, 9, len(X))
NUMBER = np.nan_to_num(X[:, 0]) + (X[:, 3] == 4) * 2
POSITIVE = np.exp(NUMBER / 2)
SHARE = (NUMBER > 0) * 1.0
CLASSES = np.digitize(NUMBER, [0, 1])

XGBOOST = {
    "reg:squarederror": NUMBER,
    "reg:squaredlogerror": POSITIVE,
    "reg:logistic": SHARE,
    "reg:pseudohubererror": NUMBER,
    "reg:absoluteerror": NUMBER,
    "reg:gamma": POSITIVE,
    "reg:tweedie": POSITIVE,
    "count:poisson": POSITIVE,
    "binary:logistic": SHARE,
    "binary:logitraw": SHARE,
    "binary:hinge": SHARE,
    "multi:softprob": CLASSES,
    "multi:softmax": CLASSES,
    "rank:pairwise": CLASSES,
    "survival:cox": POSITIVE,
}
LIGHTGBM = {
    "regression": NUMBER,
    "regression_l1": NUMBER,
    "huber": NUMBER,
    "quantile": NUMBER,
    "poisson": POSITIVE,
    "gamma": POSITIVE,
    "tweedie": POSITIVE,
    "binary": SHARE,
    "cross_entropy": SHARE,
    "multiclass": CLASSES,
    "multiclassova": CLASSES,
}


def lean(raw):
    return read_trees(Source(field="model", file=io.BytesIO(raw), size=len(raw)), trusted=False)


def compare(ensemble, model):
    """What the file says of itself is what the library says, and both predict alike on parity rows."""
    assert ensemble.about == conversion.convert(model).about
    rows = parity.rows(ensemble)
    assert np.isnan(rows).any()
    conversion.compare(ensemble, model)


@pytest.mark.parametrize("base", [None, 0.3])
@pytest.mark.parametrize("objective", XGBOOST)
def test_every_objective_of_xgboost(objective, base):
    options = {"objective": objective, "nthread": 1, "max_depth": 4}
    options |= {"base_score": base} if base else {}
    options |= {"num_class": 3} if objective.startswith("multi") else {}
    data = xgboost.DMatrix(X, XGBOOST[objective])
    if objective.startswith("rank"):
        data.set_group([len(X)])
    booster = xgboost.train(options, data, 6)
    assert objective in xgboost_head.KNOWN
    for form in ("json", "ubj"):
        compare(lean(bytes(booster.save_raw(form))), xgboost_model.describe(booster))


@pytest.mark.parametrize("categories", [[], [3]])
@pytest.mark.parametrize("objective", LIGHTGBM)
def test_every_objective_of_lightgbm(objective, categories):
    options = {"objective": objective, "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5, "min_data_per_group": 1}
    options |= {"num_class": 3} if objective.startswith("multi") else {}
    booster = lightgbm.train(options, lightgbm.Dataset(X, LIGHTGBM[objective], categorical_feature=categories), 6)
    compare(lean(booster.model_to_string().encode()), lightgbm_model.describe(booster))


def test_a_logistic_function_of_another_slope_is_no_link():
    options = {"objective": "binary", "sigmoid": 2.0, "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(options, lightgbm.Dataset(X, SHARE), 6)
    ensemble = lean(booster.model_to_string().encode())
    assert ensemble.trees.link == Link.IDENTITY
    compare(ensemble, lightgbm_model.describe(booster))


@pytest.mark.parametrize("options", [{"zero_as_missing": True}, {"use_missing": False}, {"boosting": "dart"}])
def test_ways_of_lightgbm_with_missing_values(options):
    options = {"num_threads": 1, "verbose": -1, "min_data_in_leaf": 5, **options}
    booster = lightgbm.train(options, lightgbm.Dataset(X, NUMBER), 8)
    compare(lean(booster.model_to_string().encode()), lightgbm_model.describe(booster))


def test_dropout_of_xgboost():
    options = {"booster": "dart", "rate_drop": 0.5, "one_drop": 1, "nthread": 1}
    booster = xgboost.train(options, xgboost.DMatrix(X, NUMBER), 6)
    for form in ("json", "ubj"):
        compare(lean(bytes(booster.save_raw(form))), xgboost_model.describe(booster))


def test_parity_rows_meet_thresholds_and_are_the_same_again():
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, NUMBER), 5)
    ensemble = lean(booster.model_to_string().encode())
    rows = parity.rows(ensemble)
    np.testing.assert_array_equal(rows, parity.rows(ensemble))
    trees = ensemble.trees
    for feature in set(trees.feature[trees.inner].tolist()):
        thresholds = trees.threshold[trees.inner & (trees.feature == feature)]
        assert np.isin(rows[:, feature], thresholds).any()
        assert np.isin(rows[:, feature], np.nextafter(thresholds, np.inf)).any()
    assert np.nanmax(np.abs(rows)) <= np.finfo(np.float32).max
