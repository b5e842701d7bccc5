"""scikit-learn models in skops files: a fixed list of types, then every part checked, with one thread.

Used in templates. Does not cover what a model can be explained with: see `child.explainers`.
"""

import warnings
from dataclasses import replace
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
from child.models.model import LastStep, Model, Output, Rows, output
from child.pipelines.apart import dense, take_apart
from child.pipelines.provenance import NotApart
from jobs.errors import Problem, UnreadableModel, UnsupportedModel, UntrustedTypes
from shaptrees.arrays import Trees
from shaptrees.readers.checks import BadTree
from shaptrees.readers.names import class_names
from shaptrees.readers.sklearn import convert

FORMAT = "skops"
METHODS = {"margin": "decision_function", "probability": "predict_proba", "prediction": "predict"}
TRIED = (0.0, 1.0, 0.5, 2.0, 10.0)
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
        sklearn_parts.check(estimator)
        found = _described(estimator, name)
    except (BadTree, TypeError, ValueError) as error:
        raise UnreadableModel(format=file_format, reason=str(error)) from None
    except AttributeError as error:
        raise UnsupportedModel(model=name, reason=f"it does not say what scikit-learn's do ({error})") from None
    return replace(found, warnings=versions.warnings_of(version), doubt=versions.doubt(estimator, version))


def _described(estimator: Any, name: str) -> Model:
    """One whose parts were checked. Raises UnsupportedModel, and what its attributes raise."""
    sklearn_parts.tame(estimator)
    n_features, features = int(estimator.n_features_in_), _features(estimator)
    last, obstacle = _last_step(estimator, n_features, features)
    outputs = _outputs(estimator, n_features, features, last)
    if not outputs:
        raise UnsupportedModel(model=name, reason="none of its outputs is a number, or a list of numbers, a row")
    return Model(
        family="scikit-learn",
        name=name,
        estimator=estimator,
        n_features=n_features,
        features=features,
        outputs=outputs,
        takes_missing=last is not None or _takes_missing(next(iter(outputs.values())), n_features),
        trees=lambda: _trees(estimator, name, obstacle),
        last=last,
    )


def _trees(estimator: Any, name: str, obstacle: str) -> Trees:
    if obstacle:
        raise UnsupportedModel(model=name, reason=obstacle)
    return convert(estimator).trees


def _last_step(estimator: Any, n_features: int, features: list[str] | None) -> tuple[LastStep | None, str]:
    """What a pipeline ends with; or None, and why where it was not taken apart."""
    try:
        apart = take_apart(estimator, features or [f"f{place}" for place in range(n_features)])
    except NotApart as error:
        return None, str(error)
    if apart is None:
        return None, ""
    model = _described(apart.last, type(apart.last).__name__)
    return LastStep(
        model=model,
        columns=apart.columns,
        transform=lambda rows: dense(apart.transform(_table(rows, features))),
    ), ""


def _table(rows: Rows, features: list[str] | None) -> Any:
    """Rows as scikit-learn was fitted on them: a data frame where it knows names."""
    if features is None:
        return rows
    import pandas as pd

    return pd.DataFrame(rows, columns=features)


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


def _outputs(estimator: Any, n_features: int, features: list[str] | None, last: LastStep | None) -> dict[str, Output]:
    """Everything that the estimator can be asked for."""

    def named(call: Any) -> Any:
        return lambda rows: call(_table(rows, features))

    if last:
        return {key: _through(estimator, key, whole, last, named) for key, whole in last.model.outputs.items()}
    classes = getattr(estimator, "classes_", None) if is_classifier(estimator) else None
    outputs: dict[str, Output] = {}
    for key in ("margin", "probability"):
        if hasattr(estimator, METHODS[key]):
            outputs |= _try(key, named(getattr(estimator, METHODS[key])), n_features, classes)
    if not outputs or not (is_classifier(estimator) or is_outlier_detector(estimator)):
        outputs |= _try("prediction", named(estimator.predict), n_features, None)
    if getattr(estimator, "loss", None) in _LOG_LINK and hasattr(estimator, "_raw_predict"):
        # Histogram boosting adds up its trees before the link; scikit-learn has no public name for that.
        outputs |= _try("margin", estimator._raw_predict, n_features, None)
    if isinstance(estimator, IsolationForest):
        outputs |= _try("path_length", lambda rows: _path_lengths(estimator, rows), n_features, None)
    return outputs


def _through(estimator: Any, key: str, whole: Output, last: LastStep, named: Any) -> Output:
    """An output of the whole pipeline: its own, where it has a method for it, else that of its last step."""
    own = getattr(estimator, METHODS.get(key, ""), None)
    call = named(own) if own else (lambda rows: whole.call(last.transform(rows)))
    return output(call, whole.names)


def _path_lengths(forest: IsolationForest, rows: Rows) -> Rows:
    """On average over the trees: the score is 2 to the power of minus this over what it is for as many random rows."""
    unit = _average_path_length([forest._max_samples])[0]
    return np.asarray(-np.log2(-forest.score_samples(rows)) * unit)


def _try(key: str, call: Any, n_features: int, classes: Any) -> dict[str, Output]:
    """Tried on one row: some only say so when they are called."""
    values = _tried(call, n_features)
    if values is None or values.ndim not in (1, 2) or len(values) != 1:
        return {}  # e.g. a list with an array for each of several targets
    count = 1 if values.ndim == 1 else values.shape[1]
    if classes is not None and key != "prediction":
        names = class_names(count, classes)
    else:
        names = [key] if count == 1 else [str(index) for index in range(count)]
    return {key: output(call, names)}


def _tried(call: Any, n_features: int) -> Rows | None:
    """What it gives for the first row that it takes: zero may be none of its categories, and has no logarithm."""
    for number in TRIED:
        try:
            return np.asarray(call(np.full((1, n_features), number)), np.float64)
        except (ValueError, TypeError, AttributeError, NotImplementedError):
            continue
    return None


def _takes_missing(asked: Output, n_features: int) -> bool:
    """Asked with a row of nothing else, which a whole pipeline answers for itself, imputers included."""
    try:
        return not np.isnan(asked.call(np.full((1, n_features), np.nan))).any()
    except (ValueError, TypeError):
        return False
