"""Any model with a background, by asking it for coalitions of the features: shap.KernelExplainer.

Used in templates and children. Every row has a seed of its own, so that no cut changes a value.
"""

import numpy as np
import shap

from child.explainers import sampling
from child.explainers.subject import Subject
from child.models.model import Model, Rows
from jobs.options import Options
from jobs.planner import FLOAT_BYTES


def obstacle(subject: Subject) -> str | None:  # noqa: ARG001
    """None: any model can be asked."""
    return None


def build(subject: Subject, background: Rows | None) -> "KernelShap":
    """Raises UnsupportedCombination."""
    return sampling.fitted(KernelShap, subject, background)


class KernelShap(sampling.Sampling):
    """shap.KernelExplainer without its default l1_reg, which zeroes all but ten features; seeded for every row."""

    engine = "shap.KernelExplainer"

    def __init__(self, model: Model, options: Options, background: Rows) -> None:
        super().__init__(model, options, background)
        self._nsamples = options.nsamples or "auto"
        self._asked = min(options.coalitions(background.shape[1]), 2 ** min(30, background.shape[1]))
        self.asked_per_row = self._asked * len(background)
        self._seed = options.seed
        self._explainer = shap.KernelExplainer(sampling.as_shap_asks(self.output), background)

    def needs_against(self, background_rows: int, rows: int) -> int:
        """All coalitions of one row against the whole background."""
        features, outputs = int(self._background.shape[1]), len(self.base_values)
        asked: int = self._asked * (2 * background_rows * (features + outputs) + 4 * features)
        return FLOAT_BYTES * (asked + rows * features * (2 + outputs))

    def explain(self, rows: Rows, first: int) -> Rows:
        """See `Explainer.explain`."""
        return np.stack([self._row(row, first + index) for index, row in enumerate(rows)]).reshape(*rows.shape, -1)

    def _row(self, row: Rows, index: int) -> Rows:
        np.random.seed((self._seed + index) % sampling.SEEDS)  # shap draws from the global generator
        values = self._explainer.shap_values(row[None], nsamples=self._nsamples, l1_reg=False, silent=True)
        return np.array(values[0], dtype=np.float64)
