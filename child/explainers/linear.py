"""Linear models of scikit-learn, and XGBoost's gblinear, through shap.LinearExplainer: exact, for the margin or the
prediction.

Used in templates and children. Does not cover models with a link (PoissonRegressor, ...) or probabilities.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import shap
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.linear_model._stochastic_gradient import BaseSGDRegressor

from child.explainers.subject import Subject
from child.models.model import Model, Rows
from jobs import planner
from jobs.planner import FLOAT_BYTES

RELATIVE_ERROR = 1e-6
COPIES = 1.8
"""Of values, that shap and the additivity check make: measured."""
LINEAR = (LinearModel, LinearClassifierMixin, BaseSGDRegressor)


def obstacle(subject: Subject) -> str | None:
    """See `kinds.Code`."""
    if _line(subject.model) is None:
        return f"{subject.model.name} is neither one of scikit-learn's linear models nor a gblinear"
    if subject.options.model_output == "probability":
        return "the probability of a linear model is not linear"
    return None


def build(subject: Subject, background: Rows | None) -> "LinearShap":
    """Raises nothing."""
    assert background is not None
    return LinearShap(subject.model, background)


class LinearShap:
    """Coefficient times distance from the background's mean."""

    engine = "shap.LinearExplainer"
    magnitude = 0.0
    warnings = ()
    rows_per_pass = 64
    asked_per_row = 0

    def __init__(self, model: Model, background: Rows) -> None:
        self._features, self._seen = int(background.shape[1]), _seen_by(model)
        background = self._seen(background)
        masker = shap.maskers.Independent(background, max_samples=len(background))  # the default cuts it to 100 rows
        self._explainer = shap.LinearExplainer(_line(model), masker)
        self.relative_error = max(RELATIVE_ERROR, model.relative_error)
        self.explains = "margin" if "margin" in model.outputs else "prediction"
        self.output = model.outputs[self.explains]
        self.base_values = [float(value) for value in np.ravel(self._explainer.expected_value)]

    def needs_bytes(self, rows: int) -> int:
        """See `Explainer.needs_bytes`."""
        outputs, row_bytes = len(self.base_values), FLOAT_BYTES * self._features
        block = min(rows, planner.rows_per_block(self._features, outputs, interactions=False))
        return planner.chunk_bytes(rows, row_bytes, int(COPIES * block * row_bytes * outputs))

    def explain(self, rows: Rows, first: int) -> Rows:  # noqa: ARG002
        """See `Explainer.explain`; does not depend on `first`."""
        values = np.asarray(self._explainer.shap_values(self._seen(rows)), dtype=np.float64)
        return values.reshape(len(rows), rows.shape[1], -1)


def _line(model: Model) -> Any:
    """What shap takes for a linear model, None for one that is not linear: an estimator with coefficients, or these."""
    if model.family == "xgboost":
        from child.models import xgboost_model

        return xgboost_model.line(model)
    return model.estimator if isinstance(model.estimator, LINEAR) and hasattr(model.estimator, "coef_") else None


def _seen_by(model: Model) -> Callable[[Rows], Rows]:
    """Rows as the model multiplies them: XGBoost in 32 bits, without what is missing."""
    if model.family != "xgboost":
        return lambda rows: rows
    return lambda rows: np.where(np.isnan(rows), 0.0, rows.astype(np.float32))
