"""Parts that an older scikit-learn wrote otherwise, as the installed one expects them. Used in templates.

Only what then means the same: see `versions` for what does not.
"""

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree._classes import BaseDecisionTree

from shaptrees.readers.sklearn import categories_of


def renew(part: Any) -> None:
    """In place; a part of the installed version stays as it is."""
    if isinstance(part, BaseDecisionTree) and is_classifier(part) and hasattr(part, "tree_"):
        _shares(part.tree_.value)
    elif isinstance(part, BaseHistGradientBoosting) and hasattr(part, "_predictors"):
        _no_preprocessor(part)
    elif isinstance(part, FunctionTransformer) and isinstance(part.func, partial):
        _renamed(part)


def _shares(values: Any) -> None:
    """Until 1.3 trees of classifiers kept counts, and shares of classes were made of them when they were asked."""
    values /= np.where((total := values.sum(axis=2, keepdims=True)) > 0, total, 1.0)


def _no_preprocessor(booster: Any) -> None:
    """Until 1.3 histogram boosting took its columns as they came, and categories for their codes."""
    if hasattr(booster, "_preprocessor"):
        return
    booster._preprocessor, booster._is_categorical_remapped = None, booster.is_categorical_
    if known := categories_of(booster):
        booster._preprocessor = _KnownCodes(known)


class _KnownCodes:
    """In the place of a preprocessor: what is no code of a category is missing, and not what 8 bits make of it."""

    def __init__(self, known: dict[int, list[Any]]) -> None:
        self.known = known

    def transform(self, rows: Any) -> Any:
        found = np.array(rows, dtype=np.float64, order="C")
        for place, codes in self.known.items():
            found[~np.isin(found[:, place], codes), place] = np.nan
        return found


def _renamed(transformer: Any) -> None:
    """Until 1.5 that is what `check_array` called it: histogram boosting passes its numbers on through that."""
    keywords = dict(transformer.func.keywords)
    if "force_all_finite" in keywords:
        keywords["ensure_all_finite"] = keywords.pop("force_all_finite")
        transformer.func = partial(transformer.func.func, *transformer.func.args, **keywords)
