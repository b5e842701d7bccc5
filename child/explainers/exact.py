"""Any model of few features with a background, exactly: by asking it for every coalition of the features.

Used in templates and children. The values are those of shap.explainers.Exact. A row is asked for by itself, and always
in the same calls, so that no cut changes a value.
"""

from math import comb

import numpy as np
import numpy.typing as npt

from child.explainers import sampling
from child.explainers.subject import Subject
from child.models.model import Model, Rows
from jobs.options import Options
from jobs.planner import FLOAT_BYTES

MOST_FEATURES = 11
"""Each one more takes twice as long: from here on a model is asked for more rows than by permutation."""
ASKED_AT_ONCE = 4096
"""Rows that the model is asked for in one call, but at least one coalition against the whole background."""
COPIES = 3.0
"""Of these rows and what is predicted for them: measured."""


def obstacle(subject: Subject) -> str | None:
    """See `kinds.Code`."""
    features, most = subject.about.n_features, subject.options.max_evals
    if features > MOST_FEATURES:
        return f"{features} features are more than the {MOST_FEATURES} of which every coalition is asked"
    if most and most < 2**features:
        return f"every coalition of its features takes {2**features} evaluations, more than max_evals={most}"
    return None


def build(subject: Subject, background: Rows | None) -> "ExactShap":
    """Raises UnsupportedCombination."""
    return sampling.fitted(ExactShap, subject, background)


class ExactShap(sampling.Sampling):
    """Shapley values by their definition: a coalition is worth the mean output over the background, with the row's own
    values in the places of its members.
    """

    engine = "every coalition of the features"

    def __init__(self, model: Model, options: Options, background: Rows) -> None:
        super().__init__(model, options, background)
        self._members = members(model.n_features)
        self._weights = weights(self._members)
        self._at_once = max(1, ASKED_AT_ONCE // len(background))
        self.asked_per_row = len(self._members) * len(background)

    def needs_against(self, background_rows: int, rows: int) -> int:
        """One call against the whole background, and what all coalitions of a row are worth."""
        (coalitions, features), outputs = self._members.shape, len(self.base_values)
        asked = min(coalitions, max(1, ASKED_AT_ONCE // background_rows)) * background_rows
        work = asked * (features + outputs) * COPIES + coalitions * outputs
        return int(FLOAT_BYTES * (work + rows * features * (2 + outputs)))

    def explain(self, rows: Rows, first: int) -> Rows:  # noqa: ARG002
        """See `Explainer.explain`; does not depend on `first`."""
        return np.stack([self._weights @ self._worth(row) for row in rows])

    def _worth(self, row: Rows) -> Rows:
        """(coalitions, outputs): the mean output over the background of each."""
        starts = range(0, len(self._members), self._at_once)
        return np.concatenate([self._mean(row, self._members[at : at + self._at_once]) for at in starts])

    def _mean(self, row: Rows, some: npt.NDArray[np.bool_]) -> Rows:
        asked = np.where(some[:, None, :], row, self._background)
        found = self.output.call(asked.reshape(-1, len(row)))
        means: Rows = found.reshape(len(some), len(self._background), -1).mean(axis=1)
        return means


def members(features: int) -> npt.NDArray[np.bool_]:
    """Every coalition, and who is in it: (2 ** features, features)."""
    return np.array((np.arange(2**features)[:, None] >> np.arange(features)) % 2 == 1)


def weights(coalitions: npt.NDArray[np.bool_]) -> Rows:
    """(features, coalitions): what each coalition's worth counts for the value of each feature."""
    features = coalitions.shape[1]
    orders = np.array([features * comb(features - 1, others) for others in range(features)], dtype=np.float64)
    others = coalitions.sum(axis=1)[:, None] - coalitions  # members beside the feature itself
    counts: Rows = np.where(coalitions, 1.0, -1.0) / orders[others]
    return counts.T
