"""Trees through our own engine: exact, path-dependent without a background and interventional with one.

Used in templates and children, lean ones too: needs numpy and the kernel. Does not read models: see `subject`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from child.explainers.subject import Subject
from child.models.model import Output, Rows
from jobs import planner
from jobs.errors import BackgroundRequired
from jobs.options import Options
from jobs.planner import FLOAT_BYTES
from shaptrees import covers, engine
from shaptrees.arrays import Link, Trees
from shaptrees.ensemble import About, Ensemble

COLUMN_COPIES = 1.75
"""Of a block's rows, as the engine reads them: measured, as all of these."""
VALUE_COPIES, BACKGROUND_COPIES, PAIR_COPIES = 3.3, 1.8, 3.1
"""Of a block's values: path-dependent, against a background, and interactions."""
MOST_STAGES = 1 << 16
RELATIVE_ERROR = 1e-9
"""Values and output are both in double precision, from the same arrays."""

RESCALED = (
    "rescaled_probability",
    "The values are those of the margin, rescaled against each row of the background to add up to the probability, as "
    "shap.TreeExplainer does: these are no Shapley values of the probability. For those set `explainer` to exact (few "
    "features) or permutation.",
)
"""The warning that a name alone would hide what probabilities of boosted trees are."""


def obstacle(subject: Subject) -> str | None:
    """See `kinds.Code`."""
    if isinstance(subject.trees, str):
        return subject.trees
    if not subject.has_background and not covers.are_known(subject.trees.trees):
        return "its file does not say how many rows of training came by each split, as trees need without a background"
    return _obstacle(subject.trees, subject.options)


def _obstacle(ensemble: Ensemble, options: Options) -> str | None:
    about = ensemble.about
    if options.model_output != "probability" or about.native == "probability":
        return None
    if "probability" not in about.outputs:
        return f"{about.name} gives no probabilities"
    if ensemble.trees.link != Link.LOGISTIC:
        return f"the probabilities of {about.name} do not follow from its margins one by one"
    if options.interactions:
        return "interactions are of the margin only; leave model_output out"
    return None


def build(subject: Subject, background: Rows | None) -> "ExactTrees":
    """Raises BackgroundRequired, for probabilities that follow from a margin."""
    assert isinstance(subject.trees, Ensemble)
    return ExactTrees(subject.trees, subject.options, background)


def reason(name: str, _: str) -> str:
    """Why trees are explained by the engine, and by which of its implementations."""
    level, why = engine.chosen()
    how = f", in NumPy, as {why}" if level == engine.NUMPY else ""
    return f"{name} is made of trees, which are explained exactly and fast{how}."


class ExactTrees:
    """Exact values of an ensemble of trees."""

    relative_error = RELATIVE_ERROR
    rows_per_pass = planner.ROWS_PER_PASS
    asked_per_row = 0

    def __init__(self, ensemble: Ensemble, options: Options, background: Rows | None) -> None:
        trees, about, is_plain = ensemble.trees, ensemble.about, background is None
        self.explains = _explains(about, options, has_background=not is_plain)
        self.output = Output(
            call=partial(ensemble.predict, self.explains),
            names=about.outputs[self.explains][-trees.outputs :],
            stages=partial(engine.stages, trees) if self.explains == about.native and _is_small(trees) else None,
        )
        self.magnitude = trees.magnitude
        level, _ = engine.chosen()
        is_rescaled = self.explains != about.native
        self.engine = f"{_engine_name(is_plain=is_plain, is_rescaled=is_rescaled)} ({level})"
        self.warnings = (RESCALED,) if is_rescaled else ()
        self._row_bytes = FLOAT_BYTES * trees.features
        self._work_bytes = _work_bytes(trees, is_plain=is_plain, interactions=options.interactions)
        self._fixed_bytes = engine.fixed_bytes(background=not is_plain)
        self._per_block = planner.rows_per_block(trees.features, trees.outputs, interactions=options.interactions)
        self._values, expected = _engine_call(ensemble, options, background, raw=self.explains == about.native)
        self.base_values = [float(value) for value in np.atleast_1d(expected)]

    def needs_bytes(self, rows: int) -> int:
        """See `Explainer.needs_bytes`: the rows, read and arranged, and one block of values with what makes them."""
        whole_passes = -(-min(rows, self._per_block) // self.rows_per_pass) * self.rows_per_pass
        return planner.chunk_bytes(rows, self._row_bytes, int(whole_passes * self._work_bytes) + self._fixed_bytes)

    def explain(self, rows: Rows, first: int) -> Rows:  # noqa: ARG002
        """See `Explainer.explain`; does not depend on `first`."""
        values: Rows = self._values(rows)
        return values[..., None] if len(self.base_values) == 1 else values


def _engine_name(*, is_plain: bool, is_rescaled: bool) -> str:
    if is_plain:
        return "exact trees"
    return (
        "trees against a background, rescaled to probabilities" if is_rescaled else "exact trees against a background"
    )


def _is_small(trees: Trees) -> bool:
    """A number for each tree and output takes little memory, of a few rows."""
    return trees.trees * trees.outputs <= MOST_STAGES


def _explains(about: About, options: Options, *, has_background: bool) -> str:
    explains = "probability" if options.model_output == "probability" else about.native
    if explains != about.native and not has_background:
        explainer, otherwise = "tree (model_output=probability)", ", or leave `model_output` out for its margin"
        raise BackgroundRequired(explainer=explainer, model=about.name, otherwise=otherwise, why="")
    return explains


def _work_bytes(trees: Trees, *, is_plain: bool, interactions: bool) -> float:
    """What the engine takes for one row of a block: its columns, and its values with what makes them."""
    plain = VALUE_COPIES if is_plain else BACKGROUND_COPIES
    cells = trees.outputs * trees.features ** (2 if interactions else 1)
    return FLOAT_BYTES * (cells * (PAIR_COPIES if interactions else plain) + trees.features * COLUMN_COPIES)


def _engine_call(
    ensemble: Ensemble, options: Options, background: Rows | None, *, raw: bool
) -> tuple[Callable[[Rows], Rows], Rows]:
    """The engine's function from rows to values, and what its values add to."""
    trees = ensemble.trees
    engine.prepare(trees)
    if background is None:
        values = engine.interaction_values if options.interactions else engine.shap_values
        return partial(values, trees), ensemble.expected_value
    against = engine.Background(trees, background, model_output="raw" if raw else "probability")
    return against.interactions if options.interactions else against.values, against.expected_value
