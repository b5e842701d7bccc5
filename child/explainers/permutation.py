"""Any model with a background, by asking it along permutations of the features: shap.PermutationExplainer.

Used in templates and children. Rows share a seed by their number in the whole data, so that no cut changes a value.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import shap

from child.explainers import sampling
from child.explainers.subject import Subject
from child.models.model import Model, Rows
from jobs.errors import InvalidOptions
from jobs.options import Options
from jobs.planner import FLOAT_BYTES

ROWS_PER_SEED = 1_000
"""The group g of so many rows begins with seed + g, so that a chunk draws at most this many rows ahead."""
SHARE, FIXED_BYTES = 1.08, 2 * 1024 * 1024
"""What shap's permutations take beside the rows that the model is asked for: measured."""


def obstacle(subject: Subject) -> str | None:  # noqa: ARG001
    """None: any model can be asked."""
    return None


def build(subject: Subject, background: Rows | None) -> "PermutationShap":
    """Raises UnsupportedCombination and InvalidOptions."""
    return sampling.fitted(PermutationShap, subject, background)


class _EveryFeature(shap.maskers.Independent):  # type: ignore[misc]
    """Every feature takes part in the permutations, also one that a row shares with the whole background.

    shap leaves such a feature out, and then draws fewer random numbers for that row: what follows would depend on
    rows that another chunk holds. Its value stays zero, as swapping equals changes nothing.
    """

    def invariants(self, x: Any) -> npt.NDArray[np.bool_]:
        same: npt.NDArray[np.bool_] = super().invariants(x)
        same[0, same.all(axis=0)] = False
        return same


class PermutationShap(sampling.Sampling):
    """Equals `shap.PermutationExplainer(f, masker, seed=seed)(rows, max_evals)` over the first ROWS_PER_SEED rows, as
    long as no feature is constant over the background and equal in a row (see _EveryFeature).
    """

    engine = "shap.PermutationExplainer"

    def __init__(self, model: Model, options: Options, background: Rows) -> None:
        least = 2 * model.n_features + 1
        self._max_evals = options.evaluations(least)
        if self._max_evals < least:
            reason = f"max_evals={self._max_evals}: one permutation of {model.n_features} features needs {least}"
            raise InvalidOptions(reason=reason)
        super().__init__(model, options, background)
        self._shuffles = self._max_evals // least
        self._seed = options.seed
        self.asked_per_row = self._shuffles * least * len(background)
        masker = _EveryFeature(background, max_samples=len(background))
        self._explainer = shap.PermutationExplainer(sampling.as_shap_asks(self.output), masker, seed=options.seed)

    def needs_against(self, background_rows: int, rows: int) -> int:
        """One permutation of one row against the whole background, forth and back."""
        features, outputs = int(self._background.shape[1]), len(self.base_values)
        asked = (2 * features + 1) * background_rows * (2 * features + outputs)
        return int(FLOAT_BYTES * (asked * SHARE + rows * features * (2 + outputs))) + FIXED_BYTES

    def explain(self, rows: Rows, first: int) -> Rows:
        """See `Explainer.explain`."""
        parts, done = [], 0
        while done < len(rows):
            group, inside = divmod(first + done, ROWS_PER_SEED)
            part = rows[done : done + ROWS_PER_SEED - inside]
            np.random.seed((self._seed + group) % sampling.SEEDS)  # shap draws from the global generator
            self._skip(inside, rows.shape[1])
            parts.append(self._explainer(part, max_evals=self._max_evals, silent=True).values)
            done += len(part)
        return np.concatenate(parts).astype(np.float64, order="C").reshape(*rows.shape, -1)

    def _skip(self, rows: int, features: int) -> None:
        """Draw what the rows before this chunk in its group draw: a shuffle of all features for each permutation."""
        order = np.arange(features)
        for _ in range(rows * self._shuffles):
            np.random.shuffle(order)
