"""From a pipeline, and what is wrapped around it, to its transformers and its last step.

Used in templates. Does not describe models: see `child.models.sklearn_file`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import _VectorizerMixin

from child.pipelines.columns import Column
from child.pipelines.provenance import NotApart, Walk

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


@dataclass(frozen=True, kw_only=True)
class Apart:
    """The steps of an estimator: what makes columns of the table's, and what predicts from them."""

    transformers: Sequence[Any]
    last: Any
    columns: Sequence[Column]
    """That the last step predicts from."""

    def transform(self, table: Any) -> Any:
        """What the last step is given for this table: an array, a sparse matrix or a data frame."""
        for transformer in self.transformers:
            table = transformer.transform(table)
        return table


def take_apart(estimator: Any, names: Sequence[str], walk: Walk) -> Apart | None:
    """The steps of a checked estimator with such columns in its table; None where it is a single one.

    Raises NotApart; `walk` has met by then what it could.
    """
    transformers, last = _unwrapped(estimator)
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
    return Apart(transformers=transformers, last=last, columns=columns)


def _width(last: Any) -> int | None:
    """How many columns it predicts from, by the name of its library for that."""
    names = getattr(last, "feature_names_", None)  # CatBoost's, whose other number is lost with a file
    found: int | None = getattr(last, "n_features_in_", None) if names is None else len(names)
    return found


def _unwrapped(estimator: Any) -> tuple[list[Any], Any]:
    """All transformers, the first first, and what predicts."""
    transformers, seen = list[Any](), set[int]()
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
    return transformers, estimator


def begins_with_text(estimator: Any) -> bool:
    """Whether its table is one column of text, which a vectoriser reads first."""
    transformers, _ = _unwrapped(estimator)
    while transformers and type(transformers[0]).__name__ in ("Pipeline", "FeatureUnion"):
        first = transformers[0]
        inner = first.steps if type(first).__name__ == "Pipeline" else first.transformer_list
        transformers = [step for _, step in inner if not (step is None or isinstance(step, str))]
    return bool(transformers) and isinstance(transformers[0], _VectorizerMixin)


def dense(table: Any) -> np.ndarray:
    """(rows, columns) of float64. Raises ValueError for one that holds no numbers."""
    return np.asarray(table.toarray() if sparse.issparse(table) else table, dtype=np.float64)
