"""From a pipeline, and what is wrapped around it, to its transformers and its last step.

Used in templates. Does not describe models: see `child.models.sklearn_file`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import _VectorizerMixin

from child.pipelines.columns import Column
from child.pipelines.provenance import NotApart, Walk
from child.rows.words import Words

_BEST = {
    "GridSearchCV": "best_estimator_",
    "RandomizedSearchCV": "best_estimator_",
    "HalvingGridSearchCV": "best_estimator_",
    "HalvingRandomSearchCV": "best_estimator_",
    "FixedThresholdClassifier": "estimator_",
    "TunedThresholdClassifierCV": "estimator_",
    "SelfTrainingClassifier": "estimator_",
    "FrozenEstimator": "estimator",
}
"""Wrappers that pass rows to one fitted estimator as they are, and its margins and probabilities back."""


_MEMBERS = {
    "CalibratedClassifierCV": "calibrated_classifiers_",
    "TransformedTargetRegressor": "regressor_",
    "StackingClassifier": "estimators_",
    "StackingRegressor": "estimators_",
    "VotingClassifier": "estimators_",
    "VotingRegressor": "estimators_",
}
"""Wrappers that pass rows as they are to several estimators, or make something else of what one says."""


@dataclass(frozen=True, kw_only=True)
class Apart:
    """The steps of an estimator: what makes columns of the table's, and what predicts from them."""

    transformers: Sequence[Any]
    last: Any
    columns: Sequence[Column]
    """That the last step predicts from."""
    scale: float = 1.0
    shift: float = 0.0
    """The whole predicts scale * prediction + shift of the last step, where a target was scaled for that."""
    fillers: tuple[str, ...] = ()
    """See `Walk.fillers`."""

    def transform(self, table: Any) -> Any:
        """What the last step is given for this table: an array, a sparse matrix or a data frame."""
        for transformer in self.transformers:
            table = transformer.transform(table)
        return table


def take_apart(estimator: Any, names: Sequence[str], walk: Walk) -> Apart | None:
    """The steps of a checked estimator with such columns in its table; None where it is a single one.

    Raises NotApart; `walk` has met by then what it could.
    """
    transformers, last, scale, shift = _unwrapped(estimator)
    if last is estimator:
        return None
    columns = walk.start(names)
    try:
        for transformer in transformers:
            columns = walk.through(transformer, columns)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise NotApart(f"its steps do not say what columns they make ({error})") from None
    if _width(last) != len(columns):
        raise NotApart(f"its last step takes other columns than the {len(columns)} that those before it make")
    walk.touch(columns)
    fillers = tuple(sorted(walk.fillers))
    return Apart(transformers=transformers, last=last, columns=columns, scale=scale, shift=shift, fillers=fillers)


def walk_members(estimator: Any, names: Sequence[str], walk: Walk) -> bool:
    """Meet what the pipelines within an ensemble or a wrapper read of its table; whether all of them were walked."""
    waiting, seen, found = [estimator], set[int](), list[bool]()
    while waiting:
        own = waiting.pop()
        attribute = _MEMBERS.get(type(own).__name__)
        if id(own) in seen or attribute is None:
            continue
        seen.add(id(own))
        held = getattr(own, attribute, [])
        listed = held if isinstance(held, list) else [held]
        members = [one.estimator if attribute == "calibrated_classifiers_" else one for one in listed]
        found += [_is_walked(member, names, walk) for member in members]
        waiting += members
    return bool(found) and all(found)


def _is_walked(member: Any, names: Sequence[str], walk: Walk) -> bool:
    try:
        return take_apart(member, names, walk) is not None
    except NotApart:
        return False


def _width(last: Any) -> int | None:
    """How many columns it predicts from, by the name of its library for that."""
    names = getattr(last, "feature_names_", None)  # CatBoost's, whose other number is lost with a file
    found: int | None = getattr(last, "n_features_in_", None) if names is None else len(names)
    return found


def _unwrapped(estimator: Any) -> tuple[list[Any], Any, float, float]:
    """All transformers, the first first, what predicts, and how its prediction is scaled and shifted after that."""
    transformers, seen, scale, shift = list[Any](), set[int](), 1.0, 0.0
    while id(estimator) not in seen:  # a file may hold what goes round in a circle
        seen.add(id(estimator))
        kind = type(estimator).__name__ if type(estimator).__module__.startswith("sklearn.") else ""
        if kind in _BEST and hasattr(estimator, _BEST[kind]):
            estimator = getattr(estimator, _BEST[kind])
        elif kind == "Pipeline":
            steps = [step for _, step in estimator.steps]
            transformers += [step for step in steps[:-1] if not (step is None or isinstance(step, str))]
            estimator = steps[-1]
        elif kind in ("RFE", "RFECV"):
            transformers.append(estimator)
            estimator = estimator.estimator_
        elif kind == "TransformedTargetRegressor" and (line := _line(estimator.transformer_)):
            scale, shift = scale * line[0], scale * line[1] + shift
            estimator = estimator.regressor_
    return transformers, estimator, scale, shift


def _line(transformer: Any) -> tuple[float, float] | None:
    """What undoes a target's scaling, as a factor and what is added; None for what is no scaling of one target."""
    kind, own = type(transformer).__name__, vars(transformer)
    if kind == "FunctionTransformer" and own.get("func") is None and own.get("inverse_func") is None:
        return 1.0, 0.0
    if kind not in _LINES or np.size(own.get("scale_", 1.0)) != 1:
        return None
    scale, before, after = (
        float(np.ravel(own[name])[0]) if own.get(name) is not None else None for name in _LINES[kind]
    )
    if kind == "MinMaxScaler":
        return (None if not scale else (1 / scale, -(before or 0.0) / scale)) if not own.get("clip") else None
    return (1.0 if scale is None else scale), after or 0.0


_LINES = {
    "StandardScaler": ("scale_", "", "mean_"),
    "RobustScaler": ("scale_", "", "center_"),
    "MaxAbsScaler": ("scale_", "", ""),
    "MinMaxScaler": ("scale_", "min_", ""),
}
"""Scalers of a target: their factor, what is added before it is undone, and what after."""


def begins_with_text(estimator: Any) -> bool:
    """Whether its table is one column of text, which a vectoriser reads first."""
    transformers, *_ = _unwrapped(estimator)
    while transformers and type(transformers[0]).__name__ in ("Pipeline", "FeatureUnion"):
        first = transformers[0]
        inner = first.steps if type(first).__name__ == "Pipeline" else first.transformer_list
        transformers = [step for _, step in inner if not (step is None or isinstance(step, str))]
    return bool(transformers) and isinstance(transformers[0], _VectorizerMixin)


def dense(table: Any, words: Mapping[int, Words] | None = None) -> np.ndarray:
    """(rows, columns) of float64, text as `words` reads it. Raises ValueError and TypeError where it holds other."""
    if not words:
        return np.asarray(table.toarray() if sparse.issparse(table) else table, dtype=np.float64)
    cells = np.array(table, dtype=object)
    for place, own in words.items():
        cells[:, place] = [own.code(cell) for cell in cells[:, place]]
    return cells.astype(np.float64)
