"""scikit-learn models in skops files: a fixed list of types, then every part checked, with one thread.

Used in templates. Does not cover what a model can be explained with: see `child.explainers`.
"""

import warnings
from typing import Any, BinaryIO

import numpy as np
from sklearn.base import is_classifier, is_outlier_detector
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted
from skops.io.exceptions import UntrustedTypesFoundException

from child import memory
from child.models import sklearn_parts, uploaded, versions
from child.models.model import Model, Output, Rows, output
from jobs.errors import Problem, UnreadableModel, UnsupportedModel, UntrustedTypes
from shaptrees.readers.checks import BadTree
from shaptrees.readers.names import class_names
from shaptrees.readers.sklearn import convert

FORMAT = "skops"
_LOG_LINK = ("poisson", "gamma")


def load(file: BinaryIO) -> Model:
    """Raises UntrustedTypes, UnreadableModel, UnsupportedModel and VersionMismatch."""
    raw = versions.modernized(file.read())
    version = versions.saved_by(raw)
    try:
        return describe(_loaded(raw), FORMAT, version)
    except (UntrustedTypes, UnreadableModel, UnsupportedModel) as error:
        versions.raise_if_unknown(error, "The model", version)
        raise


def _loaded(raw: bytes) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)  # it is told as a warning of the job
            return uploaded.loads(raw)
    except (Problem, MemoryError):
        raise
    except UntrustedTypesFoundException as error:
        raise UntrustedTypes(types=str(error)) from None
    except Exception as error:  # a garbled archive fails in whatever line of skops comes to it first
        if memory.is_out_of_memory(error):
            raise
        raise UnreadableModel(format=FORMAT, reason=f"{type(error).__name__}: {error}"[:300]) from None


def describe(estimator: Any, file_format: str, version: str | None = None) -> Model:
    """A loaded estimator, saved by this version of scikit-learn, as a Model, checked.

    Raises UnreadableModel and UnsupportedModel.
    """
    name = type(estimator).__name__
    _require_fitted(estimator, name)
    try:
        n_features = int(estimator.n_features_in_)
        sklearn_parts.check(estimator)
    except (BadTree, TypeError, ValueError) as error:
        raise UnreadableModel(format=file_format, reason=str(error)) from None
    except AttributeError as error:
        raise UnsupportedModel(model=name, reason=f"it does not say what scikit-learn's do ({error})") from None
    sklearn_parts.tame(estimator)
    features = _features(estimator)
    outputs = _outputs(estimator, name, n_features, features)
    return Model(
        family="scikit-learn",
        name=name,
        estimator=estimator,
        n_features=n_features,
        features=features,
        outputs=outputs,
        takes_missing=_takes_missing(next(iter(outputs.values())), n_features),
        trees=lambda: convert(estimator).trees,
        warnings=versions.warnings_of(version),
        doubt=versions.doubt(estimator, version),
    )


def _require_fitted(estimator: Any, name: str) -> None:
    if not hasattr(estimator, "predict") or isinstance(estimator, type):
        raise UnsupportedModel(model=name, reason="it has no predict: send a fitted classifier or regressor")
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError, AttributeError) as error:
        reason = "it is not fitted" if isinstance(error, NotFittedError) else "it is no scikit-learn estimator"
        raise UnsupportedModel(model=name, reason=reason) from None


def _features(estimator: Any) -> list[str] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _outputs(estimator: Any, name: str, n_features: int, features: list[str] | None) -> dict[str, Output]:
    """Everything that the estimator can be asked for, tried on one row: some only say so when they are called."""

    def named(method: str) -> Any:
        call = getattr(estimator, method)
        if features is None:
            return call
        import pandas as pd

        return lambda rows: call(pd.DataFrame(rows, columns=features))

    classes = getattr(estimator, "classes_", None) if is_classifier(estimator) else None
    outputs: dict[str, Output] = {}
    for key, method in (("margin", "decision_function"), ("probability", "predict_proba")):
        if hasattr(estimator, method):
            outputs |= _try(key, named(method), n_features, classes)
    if not outputs or not (is_classifier(estimator) or is_outlier_detector(estimator)):
        outputs |= _try("prediction", named("predict"), n_features, None)
    if getattr(estimator, "loss", None) in _LOG_LINK and hasattr(estimator, "_raw_predict"):
        # Histogram boosting adds up its trees before the link; scikit-learn has no public name for that.
        outputs |= _try("margin", estimator._raw_predict, n_features, None)
    if isinstance(estimator, IsolationForest):
        outputs |= _try("path_length", lambda rows: _path_lengths(estimator, rows), n_features, None)
    if not outputs:
        raise UnsupportedModel(model=name, reason="none of its outputs is a number, or a list of numbers, a row")
    return outputs


def _path_lengths(forest: IsolationForest, rows: Rows) -> Rows:
    """On average over the trees: the score is 2 to the power of minus this over what it is for as many random rows."""
    unit = _average_path_length([forest._max_samples])[0]
    return np.asarray(-np.log2(-forest.score_samples(rows)) * unit)


def _try(key: str, call: Any, n_features: int, classes: Any) -> dict[str, Output]:
    try:
        values = np.asarray(call(np.zeros((1, n_features))), np.float64)
    except (ValueError, TypeError, AttributeError, NotImplementedError):
        return {}
    if values.ndim not in (1, 2) or len(values) != 1:
        return {}  # e.g. a list with an array for each of several targets
    count = 1 if values.ndim == 1 else values.shape[1]
    if classes is not None and key != "prediction":
        names = class_names(count, classes)
    else:
        names = [key] if count == 1 else [str(index) for index in range(count)]
    return {key: output(call, names)}


def _takes_missing(asked: Output, n_features: int) -> bool:
    """Asked with a row of nothing else, which a whole pipeline answers for itself, imputers included."""
    try:
        return not np.isnan(asked.call(np.full((1, n_features), np.nan))).any()
    except (ValueError, TypeError):
        return False
