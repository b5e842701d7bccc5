"""scikit-learn models in skops files: a fixed list of types, then every part checked, with one thread.

Used in templates. Does not cover what a model can be explained with: see `child.explainers`.
"""

import contextlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from sklearn.base import is_outlier_detector
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.ensemble._iforest import _average_path_length
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted
from skops.io.exceptions import UntrustedTypesFoundException

from child import memory
from child.models import labels, sklearn_parts, uploaded, versions
from child.models.model import LastStep, Model, Output, Rows, as_columns, output
from child.names import feature_names
from child.pipelines.apart import Apart, begins_with_text, dense, take_apart, walk_members
from child.pipelines.provenance import NotApart, Walk
from child.pipelines.wants import Wants
from child.pipelines.wants import of as wants_of
from jobs.errors import Problem, UnreadableModel, UnsupportedModel, UntrustedTypes
from shaptrees.arrays import Trees
from shaptrees.errors import UnsupportedModel as NoTrees
from shaptrees.readers.checks import BadTree
from shaptrees.readers.sklearn import categories_of, convert

FORMAT = "skops"
Table = Callable[[Rows], Any]
"""Rows → what scikit-learn was fitted on: see `_table`."""
METHODS = {"margin": "decision_function", "probability": "predict_proba", "prediction": "predict"}
TRIED = (0.0, 1.0, 0.5, 2.0, 10.0)
FAILS = (ValueError, TypeError, AttributeError, NotImplementedError)
"""What an estimator raises for a row that it does not take, and one of another version for any."""
WRAPPED = {
    "CalibratedClassifierCV": "it calibrates: its probabilities are no sums over the trees of the classifiers within",
    "TransformedTargetRegressor": "its target was transformed by more than a scaling: predictions are no sums of trees",
}
"""Why the estimators within are not explained in its place."""
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
        raise uploaded.untrusted(str(error)) from None
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
        found = _of_any_library(estimator)
    except (BadTree, TypeError, ValueError) as error:
        raise UnreadableModel(format=file_format, reason=str(error)) from None
    except AttributeError as error:
        raise UnsupportedModel(model=name, reason=f"it does not say what scikit-learn's do ({error})") from None
    return replace(found, warnings=versions.warnings_of(version), doubt=versions.doubt(estimator, version))


def _described(estimator: Any, name: str) -> Model:
    """One whose parts were checked. Raises UnsupportedModel, and what its attributes raise."""
    sklearn_parts.tame(estimator)
    reads_text = begins_with_text(estimator)
    n_features, features = 1 if reads_text else int(estimator.n_features_in_), _features(estimator)
    apart, wants, obstacle = _steps(estimator, n_features, features)
    table = partial(_texts if reads_text else _table, features=features, wants=wants)
    last = _last_step(apart, table) if apart else None
    if last:
        _want_categories(last, wants, n_features)
    tried = _tried(n_features, wants)
    outputs = _outputs(estimator, table, tried, last)
    if not outputs:
        raise UnsupportedModel(model=name, reason=_silence(estimator, table, tried))
    return Model(
        family="scikit-learn",
        name=name,
        estimator=estimator,
        n_features=n_features,
        features=features,
        outputs=outputs,
        takes_missing=wants.whole or _takes_missing(next(iter(outputs.values())), n_features),
        trees=lambda: _trees(estimator, name, obstacle),
        last=last,
        words=wants.words,
        numbers=wants.numbers,
    )


def _steps(estimator: Any, n_features: int, features: list[str] | None) -> tuple[Apart | None, Wants, str]:
    """A pipeline's steps, where it has any and was taken apart, what they want of the table, and why it was not."""
    walk, apart, obstacle = Walk(), None, ""
    try:
        apart = take_apart(estimator, feature_names(features, n_features), walk)
    except NotApart as error:
        obstacle = str(error)
    whole = apart is not None or (not obstacle and walk_members(estimator, feature_names(features, n_features), walk))
    wants = wants_of(walk, n_features, whole=whole)
    if isinstance(estimator, BaseHistGradientBoosting):
        wants.add_listed(categories_of(estimator))
    return apart, wants, obstacle


def _want_categories(last: LastStep, wants: Wants, width: int) -> None:
    """Columns of the table that reach a last step as its categories."""
    takes_frames = last.model.family in TAKE_CATEGORIES
    for place, own in last.model.words.items():
        for source in last.columns[place].sources:
            if wants.words.setdefault(source, own) is own and takes_frames:
                wants.listed[source] = own.values
    for place, known in last.model.numbers.items():
        for source in last.columns[place].sources - wants.words.keys():
            if _passes(last, known.listed, source, place, width) and wants.numbers.setdefault(source, known) is known:
                wants.listed |= {source: known.listed} if takes_frames else {}


def _passes(last: LastStep, values: Sequence[float], source: int, place: int, width: int) -> bool:
    """Whether a column of the table is one of the last step's as it is: one that was scaled has other categories."""
    rows = np.zeros((len(values), width))
    rows[:, source] = values
    with contextlib.suppress(*FAILS):
        return bool(np.array_equal(last.transform(rows)[:, place], rows[:, source]))
    return False


def _last_step(apart: Apart, table: Table) -> LastStep:
    model = _of_any_library(apart.last)
    return LastStep(
        model=model,
        columns=apart.columns,
        transform=lambda rows: _no_missing_marks(dense(apart.transform(table(rows)), model.words), apart.last),
        scale=apart.scale,
        shift=apart.shift,
        fillers=apart.fillers,
    )


def _of_any_library(last: Any) -> Model:
    """Whatever library's it is."""
    library = type(last).__module__.partition(".")[0]
    if library in LIBRARIES:
        return LIBRARIES[library](last)
    return _described(last, type(last).__name__)


def _xgboost(last: Any) -> Model:
    from child.models import xgboost_model

    return xgboost_model.describe(last.get_booster(), getattr(last, "classes_", None))


def _lightgbm(last: Any) -> Model:
    from child.models import lightgbm_model

    return lightgbm_model.describe(last.booster_, getattr(last, "classes_", None))


def _catboost(last: Any) -> Model:
    from child.models import catboost_model

    return catboost_model.describe(last)


TAKE_CATEGORIES = ("xgboost", "lightgbm")
"""Whose estimators tell a column of categories by its type in a data frame."""
LIBRARIES: dict[str, Callable[[Any], Model]] = {"xgboost": _xgboost, "lightgbm": _lightgbm, "catboost": _catboost}


def _no_missing_marks(rows: Rows, last: Any) -> Rows:
    """XGBoost's wrappers may take another number than NaN for a missing value."""
    mark = getattr(last, "missing", math.nan)
    return np.where(rows == mark, np.nan, rows) if isinstance(mark, float | int) and not math.isnan(mark) else rows


def _trees(estimator: Any, name: str, obstacle: str) -> Trees:
    obstacle = obstacle or WRAPPED.get(name, "")
    if obstacle:
        raise NoTrees(name, obstacle)
    return convert(estimator, texts=True).trees


def _texts(rows: Rows, features: list[str] | None, wants: Wants) -> list[Any]:  # noqa: ARG001
    """The only column, as a vectoriser that comes first takes it."""
    return list(wants.words[0].cells(rows[:, 0]))


def _table(rows: Rows, features: list[str] | None, wants: Wants) -> Any:
    """Rows as scikit-learn was fitted on them: a data frame where it knows names, and text where it was text."""
    columns = {place: own.cells(rows[:, place]) for place, own in wants.words.items()}
    if features is None and not columns:
        return rows
    if features is None:
        mixed = rows.astype(object)
        for place, cells in columns.items():
            mixed[:, place] = cells
        return mixed
    import pandas as pd

    frame = pd.DataFrame(rows, columns=features)
    for place, cells in columns.items():
        frame.isetitem(place, cells)
    for place, known in wants.listed.items():
        frame.isetitem(place, pd.Categorical(frame.iloc[:, place], categories=known))
    return frame


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


def _outputs(estimator: Any, table: Table, tried: Sequence[Rows], last: LastStep | None) -> dict[str, Output]:
    """Everything that the estimator can be asked for."""

    def named(call: Any) -> Any:
        return lambda rows: call(table(rows))

    if last:
        return {key: _through(estimator, key, whole, last, named) for key, whole in last.model.outputs.items()}
    known, outputs = labels.labels_of(estimator), dict[str, Output]()
    for key in ("margin", "probability"):
        if hasattr(estimator, METHODS[key]):
            outputs |= _try(key, labels.side_by_side(named(getattr(estimator, METHODS[key]))), tried, known)
    if known and not outputs:
        outputs |= _try("label", labels.predicted(named(estimator.predict), known), tried, known)
    elif not known and not (outputs and is_outlier_detector(estimator)):
        outputs |= _try("prediction", named(estimator.predict), tried, None)
    if getattr(estimator, "loss", None) in _LOG_LINK and hasattr(estimator, "_raw_predict"):
        # Histogram boosting adds up its trees before the link; scikit-learn has no public name for that.
        outputs |= _try("margin", estimator._raw_predict, tried, None)
    if isinstance(estimator, IsolationForest):
        outputs |= _try("path_length", lambda rows: _path_lengths(estimator, rows), tried, None)
    return outputs


def _through(estimator: Any, key: str, whole: Output, last: LastStep, named: Any) -> Output:
    """An output of the whole pipeline: its own, where it has a method for it, else that of its last step."""
    own = getattr(estimator, METHODS.get(key, ""), None)
    call = named(own) if own else (lambda rows: whole.call(last.transform(rows)))
    count = len(whole.names)  # a booster of two classes has one output, and scikit-learn's way two
    return Output(call=lambda rows: as_columns(call(rows))[:, -count:], names=whole.names)


def _path_lengths(forest: IsolationForest, rows: Rows) -> Rows:
    """On average over the trees: the score is 2 to the power of minus this over what it is for as many random rows."""
    unit = _average_path_length([forest._max_samples])[0]
    return np.asarray(-np.log2(-forest.score_samples(rows)) * unit)


def _try(key: str, call: Any, tried: Sequence[Rows], known: labels.Labels | None) -> dict[str, Output]:
    """Tried on one row: some only say so when they are called."""
    values = next((found for row in tried if (found := _asked(call, row)) is not None), None)
    if values is None or values.ndim not in (1, 2) or len(values) != 1:
        return {}
    count = 1 if values.ndim == 1 else values.shape[1]
    numbered = [key] if count == 1 else [str(index) for index in range(count)]
    return {key: output(call, labels.names(count, known) if known else numbered)}


def _tried(n_features: int, wants: Wants) -> list[Rows]:
    """Rows to ask for, the first that is taken: zero may be none of its categories, and has no logarithm."""
    rows = [np.full((1, n_features), number) for number in TRIED]
    for row in rows:
        row[:, list(wants.words)] = 0.0  # the first in each list
        for place, known in wants.numbers.items():
            row[:, place] = known.first
    return rows


def _asked(call: Any, row: Rows) -> Rows | None:
    try:
        return np.asarray(call(row), np.float64)
    except FAILS:
        return None


def _silence(estimator: Any, table: Table, tried: Sequence[Rows]) -> str:
    """Why it has no outputs: what it says itself, else what they are not."""
    try:
        estimator.predict(table(tried[0]))
    except FAILS as error:
        said = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        return f"asked to predict a row, it fails ({type(error).__name__}: {said[:200]})"
    return "none of its outputs is a number, or a list of numbers, a row"


def _takes_missing(asked: Output, n_features: int) -> bool:
    """Asked with a row of nothing else, which a whole pipeline answers for itself, imputers included."""
    try:
        return not np.isnan(asked.call(np.full((1, n_features), np.nan))).any()
    except (ValueError, TypeError):
        return False
