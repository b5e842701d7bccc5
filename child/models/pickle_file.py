"""The operator's own pickles and joblib files: loading runs their code. Used in templates, for trusted files only."""

from typing import Any, BinaryIO

import joblib

from child import memory
from child.models.model import Model
from jobs.errors import UnreadableModel

FORMAT = "pickle"


def load(file: BinaryIO) -> Model:
    """Raises UnreadableModel and UnsupportedModel. XGBoost's and LightGBM's wrappers are taken for their boosters."""
    try:
        estimator = joblib.load(file)
    except Exception as error:  # a pickle can raise anything
        if memory.is_out_of_memory(error):
            raise
        raise UnreadableModel(format=FORMAT, reason=f"{type(error).__name__}: {error}"[:300]) from None
    return _describe(estimator)


def _describe(estimator: Any) -> Model:
    library = type(estimator).__module__.split(".")[0]
    classes = getattr(estimator, "classes_", None)
    if library == "xgboost":
        from child.models import xgboost_model

        return xgboost_model.describe(getattr(estimator, "get_booster", lambda: estimator)(), classes)
    if library == "lightgbm":
        from child.models import lightgbm_model

        return lightgbm_model.describe(getattr(estimator, "booster_", estimator), classes)
    from child.models import sklearn_file, versions

    return sklearn_file.describe(estimator, FORMAT, versions.version_of(estimator))
