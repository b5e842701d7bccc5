"""Trees through our own engine: exact, path-dependent without a background and interventional with one.

Used in templates and children, lean ones too: needs numpy and the kernel. Where there is an obstacle, another
explainer may do.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from child.models.model import Output, Rows
from jobs import planner
from jobs.errors import BackgroundRequired
from jobs.options import Options
from jobs.planner import FLOAT_BYTES
from shaptrees import engine
from shaptrees.arrays import Link
from shaptrees.ensemble import Ensemble

COLUMN_COPIES = 1.75
"""Of a block's rows, as the engine reads them: measured, as all of these."""
VALUE_COPIES, BACKGROUND_COPIES, PAIR_COPIES = 3.3, 1.8, 3.1
"""Of a block's values: path-dependent, against a background, and interactions."""
RELATIVE_ERROR = 1e-9
"""Values and output are both in double precision, from the same arrays."""


def obstacle(ensemble: Ensemble, options: Options) -> str | None:
    """Why the engine cannot explain this in this way, to follow "as"; None when it can."""
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


class ExactTrees:
    """Exact values of an ensemble of trees."""

    relative_error = RELATIVE_ERROR
    rows_per_pass = planner.ROWS_PER_PASS

    def __init__(self, ensemble: Ensemble, options: Options, background: Rows | None) -> None:
        trees, native = ensemble.trees, ensemble.about.native
        self._features, outputs = trees.features, trees.outputs
        self._cells = outputs * self._features ** (2 if options.interactions else 1)
        self._per_block = planner.rows_per_block(self._features, outputs, interactions=options.interactions)
        plain = VALUE_COPIES if background is None else BACKGROUND_COPIES
        self._value_copies = PAIR_COPIES if options.interactions else plain
        self.explains = "probability" if options.model_output == "probability" else native
        if background is None and self.explains != native:
            raise BackgroundRequired(explainer="tree (model_output=probability)", model=ensemble.about.name)
        self.output = Output(
            call=partial(ensemble.predict, self.explains), names=ensemble.about.outputs[self.explains][-trees.outputs :]
        )
        level, _ = engine.chosen()
        self._fixed_bytes = engine.fixed_bytes(background=background is not None)
        self.engine = f"exact trees ({level})" if background is None else f"exact trees against a background ({level})"
        self._values, expected = _engine_call(ensemble, options, background, raw=self.explains == native)
        self.base_values = [float(value) for value in np.atleast_1d(expected)]

    def needs_bytes(self, rows: int) -> int:
        """See `Explainer.needs_bytes`: the rows, read and arranged, and one block of values with what makes them."""
        row_bytes = FLOAT_BYTES * self._features
        block = FLOAT_BYTES * self._cells * self._value_copies + row_bytes * COLUMN_COPIES
        whole = -(-min(rows, self._per_block) // planner.ROWS_PER_PASS) * planner.ROWS_PER_PASS
        return planner.chunk_bytes(rows, row_bytes, int(whole * block) + self._fixed_bytes)

    def explain(self, rows: Rows, first: int) -> Rows:  # noqa: ARG002
        """See `Explainer.explain`; does not depend on `first`."""
        values: Rows = self._values(rows)
        return values[..., None] if len(self.base_values) == 1 else values


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


def reason(name: str) -> str:
    """Why trees are explained by the engine, and by which of its implementations."""
    level, why = engine.chosen()
    how = f", in NumPy, as {why}" if level == engine.NUMPY else ""
    return f"{name} is made of trees, which are explained exactly and fast{how}."
