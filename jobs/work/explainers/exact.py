"""Trees through our own engine: the same values as shap's path-dependent ones, 50 times faster and more.

Used in templates and children. Takes what computes in double precision: for XGBoost, whose own contributions are what
its users know, and for values against a background, see `tree`.
"""

from functools import partial

import numpy as np

from jobs.options import Options
from jobs.work.explainers.tree import last_outputs, native_output
from jobs.work.models.model import Model, Rows
from jobs.work.trees import engine
from jobs.work.trees.arrays import Trees


def takes(model: Model, options: Options, background: Rows | None) -> bool:
    """Whether these trees, in this way, are the engine's. Asked once shap has no obstacle."""
    probability = options.model_output == "probability" and native_output(model) != "probability"
    return background is None and not probability and model.family in ("scikit-learn", "lightgbm")


class ExactTrees:
    """Exact values of an ensemble of trees, path-dependent."""

    def __init__(self, model: Model, options: Options) -> None:
        self._trees = _trees(model)
        self._values = partial(engine.interaction_values if options.interactions else engine.shap_values, self._trees)
        level, _ = engine.chosen()
        self.engine = f"exact trees ({level})"
        self.explains = native_output(model)
        self.output = last_outputs(model.outputs[self.explains], self._trees.outputs)
        self.base_values = [float(value) for value in np.atleast_1d(self._trees.expected_value)]
        self.relative_error = model.relative_error

    def explain(self, rows: Rows, first: int) -> Rows:  # noqa: ARG002
        """See `Explainer.explain`; does not depend on `first`."""
        values = self._values(rows)
        return values[..., None] if self._trees.outputs == 1 else values


def _trees(model: Model) -> Trees:
    if model.family == "lightgbm":
        from jobs.work.trees.from_lightgbm import from_lightgbm

        return from_lightgbm(model.estimator.model_to_string().encode())
    from jobs.work.trees.from_sklearn import from_sklearn

    return from_sklearn(model.estimator)
