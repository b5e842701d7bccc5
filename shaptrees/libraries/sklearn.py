"""Fitted estimators of scikit-learn, and what is built of them: PyOD's and scikit-optimize's forests."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from shaptrees.arrays import Floats
from shaptrees.fitted import Fitted, loss_of
from shaptrees.libraries import comes_from
from shaptrees.readers.sklearn import average_path_length, convert

_SQUARED = ("squared_error", "friedman_mse", "mse")
_BASES = (
    "BaseDecisionTree",
    "ForestClassifier",
    "ForestRegressor",
    "BaseGradientBoosting",
    "BaseHistGradientBoosting",
    "IsolationForest",
)


def takes(model: Any) -> bool:
    return comes_from(model, "pyod", "IForest") or comes_from(model, "sklearn", *_BASES)


def fitted(model: Any) -> Fitted:
    model = model.detector_ if comes_from(model, "pyod", "IForest") else model
    ensemble, classifier = convert(model), hasattr(model, "classes_")
    return Fitted(
        trees=ensemble.trees,
        own=_quietly(_raw_output(model)),
        loss=loss_of(ensemble.trees.link) if classifier else _loss(model),
        chances=ensemble.about.native == "probability",
        classifier=classifier,
    )


def _loss(model: Any) -> str | None:
    named = getattr(model, "loss", None) or getattr(model, "criterion", None)
    return "squared_error" if named in _SQUARED else None


def _raw_output(model: Any) -> Callable[[Floats], Any]:
    found: Callable[[Floats], Any]
    if comes_from(model, "sklearn", "IsolationForest"):
        return lambda x: _path_lengths(model, x)
    if comes_from(model, "sklearn", "BaseHistGradientBoosting"):
        found = model._raw_predict  # before a link
        return found
    names = ("decision_function", "predict_proba", "predict")
    found = getattr(model, next(name for name in names if hasattr(model, name)))
    return found


def _path_lengths(model: Any, x: Floats) -> Floats:
    """What an isolation forest's scores were made of: 2 ** (-length / expected length), negated."""
    expected = average_path_length(np.array([float(model.max_samples_)]))[0]
    return np.asarray(-np.log2(-model.score_samples(x)) * expected)


def _quietly(call: Callable[[Floats], Any]) -> Callable[[Floats], Any]:
    """Rows have lost the names of their columns by then, of which the model would warn."""

    def quiet(x: Floats) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return call(x)

    return quiet
