"""Linear models of scikit-learn through shap.LinearExplainer: exact, for the margin or the prediction.

Used in templates and children. Does not cover models with a link (PoissonRegressor, ...) or probabilities.
"""

import numpy as np
import shap
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.linear_model._stochastic_gradient import BaseSGDRegressor

from child.explainers.subject import Subject
from child.models.model import Model, Rows
from jobs import planner
from jobs.planner import FLOAT_BYTES

COPIES = 1.8
"""Of values, that shap and the additivity check make: measured."""
LINEAR = (LinearModel, LinearClassifierMixin, BaseSGDRegressor)


def obstacle(subject: Subject) -> str | None:
    """See `kinds.Code`."""
    estimator = subject.model.estimator
    if not isinstance(estimator, LINEAR) or not hasattr(estimator, "coef_"):
        return f"{subject.model.name} is not one of scikit-learn's linear models"
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
    relative_error = 1e-6
    magnitude = 0.0
    warnings = ()
    rows_per_pass = 64

    def __init__(self, model: Model, background: Rows) -> None:
        self._features = int(background.shape[1])
        masker = shap.maskers.Independent(background, max_samples=len(background))  # the default cuts it to 100 rows
        self._explainer = shap.LinearExplainer(model.estimator, masker)
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
        values = np.asarray(self._explainer.shap_values(rows), dtype=np.float64)
        return values.reshape(len(rows), rows.shape[1], -1)
