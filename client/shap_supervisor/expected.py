"""The model's own predictions for the first rows, in the output that the service explains by default.

Runs in the caller's process. Where it is not certain which output that is, there are none: a prediction of another
output would be taken for a broken model. What the service explains stands in its docs/options.md at `model_output`.
"""

import warnings
from typing import Any

import numpy as np

from shap_supervisor.models import library_of
from shap_supervisor.npy import Floats

ROWS = 100
MOST_BYTES = 900_000
"""The service takes a MB."""
_LIKE_THEIR_MARGIN = ("squared_error", "absolute_error", "quantile", "huber", "friedman_mse")


def predictions(model: Any, rows: Any, model_output: str) -> Floats | None:
    """(n, outputs) for these rows as the model takes them, or None where nothing certain can be said.

    Warns where the model does not predict these rows here.
    """
    if model_output != "auto":
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = _PREDICT.get(library_of(model) or "", _nothing)(model, rows)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            found = None
        else:
            reason = ""
    if reason:
        warnings.warn(f"The model does not predict these rows here, so it goes unchecked ({reason})", stacklevel=4)
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or not len(found):
        return None
    table = found.reshape(len(found), -1).astype(np.float64)
    return table[: max(1, MOST_BYTES // table[0].nbytes)]


def _nothing(_model: Any, _rows: Any) -> None:
    return None


def _xgboost(model: Any, rows: Any) -> Any:
    if hasattr(model, "get_booster"):
        return model.predict(rows, output_margin=True)
    import xgboost

    best = model.attributes().get("best_iteration")
    trees = (0, int(best) + 1) if best else (0, 0)
    matrix = xgboost.DMatrix(rows, enable_categorical=True)
    return model.predict(matrix, output_margin=True, iteration_range=trees, validate_features=hasattr(rows, "columns"))


def _lightgbm(model: Any, rows: Any) -> Any:
    booster = getattr(model, "booster_", model)
    return booster.predict(rows, raw_score=True)


def _catboost(model: Any, rows: Any) -> Any:
    return model.predict(rows, prediction_type="RawFormulaVal")


def _sklearn(model: Any, rows: Any) -> Any:
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    module, is_classifier = type(last).__module__, hasattr(last, "classes_")
    if module.startswith(("sklearn.ensemble._forest", "sklearn.tree.")):
        return model.predict_proba(rows) if is_classifier else model.predict(rows)
    if module.startswith(("sklearn.ensemble._gb", "sklearn.ensemble._hist")) and not getattr(last, "init", None):
        if is_classifier:
            return model.decision_function(rows)
        return model.predict(rows) if last.loss in _LIKE_THEIR_MARGIN else None
    if module.startswith("sklearn.linear_model.") and not module.endswith("glm"):
        return model.decision_function(rows) if is_classifier else model.predict(rows)
    return None


_PREDICT = {"xgboost": _xgboost, "lightgbm": _lightgbm, "catboost": _catboost, "sklearn": _sklearn}
