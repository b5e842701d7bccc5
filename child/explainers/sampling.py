"""Any model with a background, by asking it: shap.PermutationExplainer and shap.KernelExplainer.

Used in templates and children. What a row is given never depends on how the rows were cut into chunks, so that a
halved chunk, a retried one and a larger batch_size all give the same values.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import shap

from child import memory
from child.models.model import Model, Output, Rows
from jobs import planner
from jobs.errors import InvalidOptions, UnsupportedCombination
from jobs.options import Options
from jobs.planner import FLOAT_BYTES

BLOCK_ROWS = 1_000
"""Rows that share a seed: block b begins with seed + b, so that a chunk draws at most this many rows ahead."""
DEFAULT_MAX_EVALS = 500
SEEDS = 2**32
PERMUTATION_SHARE, PERMUTATION_BYTES = 1.08, 2 * 1024 * 1024
"""What shap's permutations take beside the rows that the model is asked for: measured."""


def build(kind: str, model: Model, options: Options, background: Rows) -> "PermutationShap | KernelShap":
    """The explainer of a kind; where the job allows it, with as much of the background as the memory holds."""
    explainer = _KINDS[kind](model, options, background)
    room = memory.room_bytes()
    if not options.may_shrink or room is None:
        return explainer
    rows = planner.rows_that_fit(len(background), room, lambda count: explainer.needs_against(count, 1))
    if rows == len(background):
        return explainer
    drawn = np.sort(np.random.default_rng(options.seed).choice(len(background), rows, replace=False))
    smaller = _KINDS[kind](model, options, background[drawn])
    smaller.engine += f" ({rows} of {len(background)} background rows)"
    return smaller


def pick_output(model: Model, model_output: str) -> str:
    """What is explained: the probability, else the prediction, else (SVC, ...) the decision function; for `raw` the
    margin where there is one. Raises UnsupportedCombination.
    """
    if model_output == "probability" and "probability" not in model.outputs:
        reason = "it gives no probabilities"
        raise UnsupportedCombination(asked="model_output=probability", model=model.name, reason=reason)
    wanted = ("probability", "prediction", "margin")
    order = ("margin", *wanted) if model_output == "raw" else wanted
    return next(key for key in order if key in model.outputs)


def _flat(output: Output) -> Callable[[Rows], Rows]:
    """One output as shap wants it: without an axis of its own."""
    return (lambda rows: output.call(rows)[:, 0]) if len(output.names) == 1 else output.call


def _mean(output: Output, background: Rows) -> list[float]:
    return [float(value) for value in output.call(background).mean(axis=0)]


class _AllVary(shap.maskers.Independent):  # type: ignore[misc]
    """Every feature takes part in the permutations, also one that a row shares with the whole background.

    shap leaves such a feature out, and then draws fewer random numbers for that row: what follows would depend on
    rows that another chunk holds. Its value stays zero, as swapping equals changes nothing.
    """

    def invariants(self, x: Any) -> npt.NDArray[np.bool_]:
        same: npt.NDArray[np.bool_] = super().invariants(x)
        same[0, same.all(axis=0)] = False
        return same


class PermutationShap:
    """Equals `shap.PermutationExplainer(f, masker, seed=seed)(rows, max_evals)` over the first BLOCK_ROWS rows, as
    long as no feature is constant over the background and equal in a row (see _AllVary).
    """

    engine = "shap.PermutationExplainer"
    relative_error = 1e-6
    rows_per_pass = 1

    def __init__(self, model: Model, options: Options, background: Rows) -> None:
        least = 2 * model.n_features + 1
        self._max_evals = options.max_evals or max(DEFAULT_MAX_EVALS, least)
        if self._max_evals < least:
            reason = f"max_evals={self._max_evals}: one permutation of {model.n_features} features needs {least}"
            raise InvalidOptions(reason=reason)
        self._shuffles = self._max_evals // least
        self._seed = options.seed
        self.explains = pick_output(model, options.model_output)
        self.output = model.outputs[self.explains]
        self.base_values = _mean(self.output, background)
        self._background = background
        masker = _AllVary(background, max_samples=len(background))
        self._explainer = shap.PermutationExplainer(_flat(self.output), masker, seed=options.seed)

    def needs_bytes(self, rows: int) -> int:
        """See `Explainer.needs_bytes`."""
        return self.needs_against(len(self._background), rows)

    def needs_against(self, background_rows: int, rows: int) -> int:
        """One permutation of one row against the whole background, forth and back."""
        features, outputs = int(self._background.shape[1]), len(self.base_values)
        asked = (2 * features + 1) * background_rows * (2 * features + outputs)
        return int(FLOAT_BYTES * (asked * PERMUTATION_SHARE + rows * features * (2 + outputs))) + PERMUTATION_BYTES

    def explain(self, rows: Rows, first: int) -> Rows:
        """See `Explainer.explain`."""
        parts, done = [], 0
        while done < len(rows):
            block, inside = divmod(first + done, BLOCK_ROWS)
            part = rows[done : done + BLOCK_ROWS - inside]
            np.random.seed((self._seed + block) % SEEDS)  # shap draws from the global generator
            self._skip(inside, rows.shape[1])
            parts.append(self._explainer(part, max_evals=self._max_evals, silent=True).values)
            done += len(part)
        return np.concatenate(parts).astype(np.float64, order="C").reshape(*rows.shape, -1)

    def _skip(self, rows: int, features: int) -> None:
        """Draw what the rows before this chunk in its block draw: a shuffle of all features for each permutation."""
        order = np.arange(features)
        for _ in range(rows * self._shuffles):
            np.random.shuffle(order)


class KernelShap:
    """shap.KernelExplainer without its default l1_reg, which zeroes all but ten features; seeded for every row."""

    engine = "shap.KernelExplainer"
    relative_error = 1e-6
    rows_per_pass = 1

    def __init__(self, model: Model, options: Options, background: Rows) -> None:
        self._nsamples = options.nsamples or "auto"
        self._asked = min(options.nsamples or 2 * background.shape[1] + 2048, 2 ** min(30, background.shape[1]))
        self._background = background
        self._seed = options.seed
        self.explains = pick_output(model, options.model_output)
        self.output = model.outputs[self.explains]
        self.base_values = _mean(self.output, background)
        self._explainer = shap.KernelExplainer(_flat(self.output), background)

    def needs_bytes(self, rows: int) -> int:
        """See `Explainer.needs_bytes`."""
        return self.needs_against(len(self._background), rows)

    def needs_against(self, background_rows: int, rows: int) -> int:
        """All coalitions of one row against the whole background."""
        features, outputs = int(self._background.shape[1]), len(self.base_values)
        asked: int = self._asked * (2 * background_rows * (features + outputs) + 4 * features)
        return FLOAT_BYTES * (asked + rows * features * (2 + outputs))

    def explain(self, rows: Rows, first: int) -> Rows:
        """See `Explainer.explain`."""
        return np.stack([self._row(row, first + index) for index, row in enumerate(rows)]).reshape(*rows.shape, -1)

    def _row(self, row: Rows, index: int) -> Rows:
        np.random.seed((self._seed + index) % SEEDS)  # shap draws from the global generator
        values = self._explainer.shap_values(row[None], nsamples=self._nsamples, l1_reg=False, silent=True)
        return np.array(values[0], dtype=np.float64)


_KINDS: dict[str, type[PermutationShap | KernelShap]] = {"permutation": PermutationShap, "kernel": KernelShap}
