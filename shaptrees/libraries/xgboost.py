"""XGBoost's models: boosters, and estimators of its scikit-learn interface.

XGBoost is imported where a model is asked for its own output, and not before.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from shaptrees.arrays import Floats
from shaptrees.ensemble import Ensemble
from shaptrees.fitted import Fitted, loss_of
from shaptrees.libraries import comes_from
from shaptrees.readers import xgboost
from shaptrees.rows import Reading

_SQUARED = ("XGBoost (reg:squarederror)", "XGBoost (reg:linear)")


def takes(model: Any) -> bool:
    return comes_from(model, "xgboost", "Booster", "XGBModel")


def fitted(model: Any) -> Fitted:
    booster = model if comes_from(model, "xgboost", "Booster") else model.get_booster()
    content = bytes(booster.save_raw("ubj"))
    ensemble = xgboost.read(content, codes=True, any_objective=True)
    missing = getattr(model, "missing", None)
    return of(
        ensemble,
        content,
        missing=np.nan if missing is None else float(missing),
        own=lambda x: _margin(booster, x),
        classifier=hasattr(model, "predict_proba"),
    )


def of(
    ensemble: Ensemble,
    content: bytes,
    *,
    missing: float = np.nan,
    own: Callable[[Floats], Any] | None = None,
    classifier: bool = False,
) -> Fitted:
    """What a sparse matrix leaves out is a missing value to XGBoost."""
    squared = ensemble.about.name in _SQUARED
    return Fitted(
        trees=ensemble.trees,
        reading=Reading(absent=np.nan, missing=missing, categories=xgboost.columns_of_categories(content), closed=True),
        own=own,
        loss="squared_error" if squared else loss_of(ensemble.trees.link),
        classifier=classifier,
    )


def _margin(booster: Any, x: Floats) -> Any:
    from xgboost import DMatrix

    kinds = booster.feature_types
    table = DMatrix(x, feature_types=kinds, enable_categorical=bool(kinds and "c" in kinds))
    best = booster.attributes().get("best_iteration")
    rounds = (0, 0) if best is None else (0, int(best) + 1)
    return booster.predict(table, output_margin=True, iteration_range=rounds, validate_features=False)
