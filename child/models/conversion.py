"""The trees of a model that its library has loaded: read into arrays, and compared with the model itself.

Runs once a model, in a process with all libraries. Models that are read without theirs are compared in the tests.
"""

import math
from typing import Any

import numpy as np

from child.models import parity
from child.models.model import Model, Rows
from jobs.errors import ConversionFailed, UnreadableModel, UnsupportedModel
from shaptrees.arrays import Link, Trees
from shaptrees.ensemble import About, Ensemble

_NATIVE = ("path_length", "margin", "probability", "prediction")


def convert(model: Model) -> Ensemble:
    """The arrays of a model, not compared yet. Raises UnsupportedModel, whose reason says why there are none."""
    outputs = {key: output.names for key, output in model.outputs.items()}
    about = About(
        family=model.family,
        name=model.name,
        n_features=model.n_features,
        features=model.features,
        takes_missing=model.takes_missing,
        outputs=outputs,
        native=next(key for key in _NATIVE if key in outputs),
    )
    try:
        return Ensemble(about=about, trees=_trees(model))
    except UnreadableModel as error:  # a part that is not as it should be, in a model that its library takes
        raise UnsupportedModel(model=model.name, reason=error.detail["reason"]) from None


def compare(ensemble: Ensemble, model: Model) -> None:
    """Ask both for their output on parity rows. Raises ConversionFailed where they differ."""
    rows = parity.rows(ensemble)
    allowed = model.relative_error * max(1.0, _magnitude(ensemble.trees))
    _compare(ensemble, ensemble.about.native, model, rows, allowed)
    if ensemble.trees.link == Link.LOGISTIC and "probability" in model.outputs:
        _compare(ensemble, "probability", model, rows, allowed)


def _compare(ensemble: Ensemble, key: str, model: Model, rows: Rows, allowed: float) -> None:
    own = ensemble.predict(key, rows)
    with np.errstate(all="ignore"):  # sums of the largest numbers there are, on the way to finding none infinite
        asked = model.outputs[key].call(rows)[:, -own.shape[1] :]
    error = float(np.abs(own - asked).max())
    if math.isnan(error) or error > allowed:
        raise ConversionFailed(model=model.name, largest_error=error, tolerance=allowed)


def _magnitude(trees: Trees) -> float:
    """The most that an output can add up to, of either sign: rounding grows with it."""
    leaf = np.where(trees.inner, 0.0, np.abs(trees.values).max(axis=1))
    return float(np.maximum.reduceat(leaf, trees.offsets[:-1]).sum() + np.abs(trees.base).max())


def _trees(model: Model) -> Trees:
    if model.family == "xgboost":
        return _of_xgboost(model.estimator)
    if model.family == "lightgbm":
        from shaptrees.readers.lightgbm import from_lightgbm

        return from_lightgbm(model.estimator.model_to_string().encode())
    from shaptrees.readers.sklearn import from_sklearn

    return from_sklearn(model.estimator)


def _of_xgboost(booster: Any) -> Trees:
    """The head is checked, as a wrapper from an operator's file comes without any check."""
    from jobs.formats import ModelFormat
    from shaptrees.readers import xgboost_document, xgboost_head
    from shaptrees.readers.xgboost import from_learner

    learner = xgboost_document.parse(bytes(booster.save_raw("ubj")), ModelFormat.XGBOOST_UBJ)
    if learner["gradient_booster"]["name"] == "gblinear":
        raise UnsupportedModel(model="XGBoost", reason="gblinear has no trees")
    with xgboost_head.reading(ModelFormat.XGBOOST_UBJ):
        xgboost_head.check_head(learner)
        return from_learner(learner)
