"""CatBoost's trees through CatBoost itself: path-dependent values and interactions of its raw output.

Used in full templates and their children. Does not cover a background, probabilities or trees that are not
symmetric (of which 1.2.10 gives wrong values for some grown by Lossguide): permutation does.
"""

import numpy as np

from child.explainers.subject import Subject
from child.models import catboost_model
from child.models.model import Model, Rows
from jobs.options import Options
from jobs.planner import FLOAT_BYTES

FAR = 1e38
"""Beyond any split: CatBoost compares in single precision."""
COPIES = 4
"""Of rows and of values: CatBoost's own vectors, the array made of them, ours, and the additivity check's."""


def obstacle(subject: Subject) -> str | None:
    """See `kinds.Code`."""
    if subject.options.model_output == "probability":
        return f"CatBoost explains the raw output of {subject.model.name}, not its probabilities"
    if not subject.model.estimator._object._is_oblivious():
        return "CatBoost's own values of trees that are not symmetric do not always add up to its output"
    if subject.has_background:
        return "CatBoost's own values are path-dependent and take no background"
    if not _has_weights(subject.model):
        return "its file does not say how many rows reached which leaf, so CatBoost's values depend on what it is asked"
    return None


def build(subject: Subject, background: Rows | None) -> "CatBoostTrees":  # noqa: ARG001
    """Takes no background: see `obstacle`."""
    return CatBoostTrees(subject.model, subject.options)


def _has_weights(model: Model) -> bool:
    """Asked for the base value with a row at either end of all splits: CatBoost makes up for weights that it has not
    with those of the rows that it explains.
    """
    low, high = (_ask(model, _end(model, far), "ShapValues") for far in (-FAR, FAR))
    return bool(np.array_equal(low[..., -1], high[..., -1]))


def _end(model: Model, far: float) -> Rows:
    row = np.full((1, model.n_features), far)
    row[:, list(model.words)] = 0.0
    return row


class CatBoostTrees:
    """`get_feature_importance` of type ShapValues or ShapInteractionValues, with one thread."""

    engine = "CatBoost (native)"
    relative_error = 1e-6
    magnitude = 0.0
    rows_per_pass = 64
    asked_per_row = 0

    def __init__(self, model: Model, options: Options) -> None:
        self._model, self._features = model, model.n_features
        self._type = "ShapInteractionValues" if options.interactions else "ShapValues"
        self._axes = 2 if options.interactions else 1
        self.explains = "margin" if "margin" in model.outputs else "prediction"
        raw = _ask(model, np.zeros((1, self._features)), "ShapValues")
        self.base_values = [float(value) for value in np.ravel(raw[..., -1])]
        whole = model.outputs[self.explains]
        self.output = whole.first(len(self.base_values))
        self.warnings = (_first_only(model, whole.names),) if self.output is not whole else ()

    def needs_bytes(self, rows: int) -> int:
        """See `Explainer.needs_bytes`."""
        cells: int = len(self.base_values) * (self._features + 1) ** self._axes
        return COPIES * FLOAT_BYTES * rows * (self._features + cells)

    def explain(self, rows: Rows, first: int) -> Rows:  # noqa: ARG002
        """See `Explainer.explain`; does not depend on `first`."""
        raw = _ask(
            self._model, rows, self._type
        )  # (rows[, outputs], features + 1[, features + 1]), the base value last
        inner = raw[..., :-1] if self._axes == 1 else raw[..., :-1, :-1]
        if raw.ndim == 1 + self._axes:
            return inner[..., None]
        return np.moveaxis(inner, 1, -1)


def _first_only(model: Model, names: list[str]) -> tuple[str, str]:
    return (
        "first_output",
        f"CatBoost explains the first of the {len(names)} outputs of {model.name} alone; with a background, "
        "`explainer: permutation` explains all, and `exact` if the features are few.",
    )


def _ask(model: Model, rows: Rows, kind: str) -> Rows:
    asked = catboost_model.pool(rows, model.words)
    return np.asarray(model.estimator.get_feature_importance(asked, type=kind, thread_count=1), dtype=np.float64)
