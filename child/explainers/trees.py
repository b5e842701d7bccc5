"""Trees through our own engine: exact, path-dependent without a background and interventional with one.

Used in templates and children, lean ones too: needs numpy and the kernel. Does not read models: see `subject`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from child.explainers.additivity import AT_ONCE
from child.explainers.subject import Subject
from child.models.model import Output, Rows
from jobs import planner
from jobs.errors import BackgroundRequired
from jobs.options import Options
from jobs.planner import FLOAT_BYTES
from jobs.records import MOST_PAIRS
from shaptrees import covers, engine
from shaptrees.arrays import Trees
from shaptrees.ensemble import About, Ensemble
from shaptrees.rules import Link

COLUMN_COPIES = 1.75
"""Of a block's rows, as the engine reads them: measured, as all of these."""
VALUE_COPIES, BACKGROUND_COPIES = 3.3, 1.8
"""Of a block's values: path-dependent, and against a background."""
MATRIX_COPIES, BACKGROUND_MATRIX_COPIES = 1.0, 2.1
"""Of a block's interactions, the same; path-dependent ones are first kept for the pairs that meet."""
SUM_COPIES = 3
"""Of the sum of |interaction|: kept, as bytes, and in the message that tells it."""
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
        self.rows_per_pass = planner.VECTOR_ROWS if options.interactions else planner.ROWS_PER_PASS
        self._row_bytes = FLOAT_BYTES * trees.features
        self._per_block = planner.rows_per_block(trees.features, trees.outputs, interactions=options.interactions)
        self._block_bytes = partial(_matrix_bytes if options.interactions else _value_bytes, trees, is_plain=is_plain)
        self._fixed_bytes = engine.fixed_bytes(background=not is_plain)
        self._values, expected = _engine_call(ensemble, options, background, raw=self.explains == about.native)
        self.base_values = [float(value) for value in np.atleast_1d(expected)]

    def needs_bytes(self, rows: int) -> int:
        """See `Explainer.needs_bytes`: the rows, read and arranged, and one block of values with what makes them."""
        block_bytes = self._block_bytes(rows, self._per_block)
        return planner.chunk_bytes(rows, self._row_bytes, int(block_bytes) + self._fixed_bytes)

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


def _value_bytes(trees: Trees, rows: int, per_block: int, *, is_plain: bool) -> float:
    """What a block takes of a chunk of so many rows: its columns, and its values with what makes them."""
    passes = _whole(min(rows, per_block), planner.ROWS_PER_PASS)
    values = trees.outputs * trees.features * (VALUE_COPIES if is_plain else BACKGROUND_COPIES)
    return FLOAT_BYTES * passes * (values + trees.features * COLUMN_COPIES)


def _matrix_bytes(trees: Trees, rows: int, per_block: int, *, is_plain: bool) -> float:
    """The same of interactions."""
    block = min(rows, per_block)
    matrix = trees.outputs * trees.features**2
    copies = MATRIX_COPIES if is_plain else BACKGROUND_MATRIX_COPIES
    numbers = block * matrix * (copies + (trees.outputs > 1))  # outputs come last on the way out
    numbers += _whole(block, planner.ROWS_PER_PASS) * trees.features * COLUMN_COPIES
    numbers += min(block * matrix, AT_ONCE) + SUM_COPIES * min(matrix, MOST_PAIRS)
    if is_plain:
        is_small = block <= planner.ROWS_PER_PASS
        kept = _whole(block, planner.VECTOR_ROWS if is_small else planner.ROWS_PER_PASS) * trees.pairs.cells
        numbers += kept * trees.outputs * (1 if is_small or rows <= block else 2)
    return FLOAT_BYTES * numbers


def _whole(rows: int, step: int) -> int:
    return -(-rows // step) * step


def _engine_call(
    ensemble: Ensemble, options: Options, background: Rows | None, *, raw: bool
) -> tuple[Callable[[Rows], Rows], Rows]:
    """The engine's function from rows to values, and what its values add to."""
    trees = ensemble.trees
    engine.prepare(trees, pairs=options.interactions and background is None)
    if background is None:
        values = engine.interaction_values if options.interactions else engine.shap_values
        return partial(values, trees), ensemble.expected_value
    against = engine.Background(trees, background, model_output="raw" if raw else "probability")
    return against.interactions if options.interactions else against.values, against.expected_value
