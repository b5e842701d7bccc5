"""What the explainers that ask the model have in common: which output they ask for, and as much background as fits.

Used in templates. What a row is given never depends on how the rows were cut into chunks, so that a halved chunk, a
retried one and a larger batch_size all give the same values: `permutation` and `kernel` each hold to that.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from child import memory
from child.explainers.subject import Subject
from child.models.model import Model, Output, Rows
from jobs import planner
from jobs.errors import UnsupportedCombination
from jobs.options import Options

SEEDS = 2**32


class Sampling:
    """An explainer that asks the model for rows, against a background."""

    engine: str
    relative_error = 1e-6
    magnitude = 0.0
    warnings = ()
    rows_per_pass = 1

    def __init__(self, model: Model, options: Options, background: Rows) -> None:
        """Raises UnsupportedCombination."""
        self._background = background
        self.explains = pick_output(model, options.model_output)
        self.output = model.outputs[self.explains]
        self.base_values = mean_output(self.output, background)

    def needs_bytes(self, rows: int) -> int:
        """See `Explainer.needs_bytes`."""
        return self.needs_against(len(self._background), rows)

    def needs_against(self, background_rows: int, rows: int) -> int:
        """The same against so many background rows."""
        raise NotImplementedError


S = TypeVar("S", bound=Sampling)


def fitted(kind: Callable[[Model, Options, Rows], S], subject: Subject, background: Rows | None) -> S:
    """The explainer over the background; where the job allows it, over as many of its rows as the memory holds.

    Raises as `kind` does.
    """
    assert background is not None
    model, options = subject.model, subject.options
    explainer, room = kind(model, options, background), memory.room_bytes()
    if not options.may_shrink or room is None:
        return explainer
    rows = planner.rows_that_fit(len(background), room, lambda count: explainer.needs_against(count, 1))
    if rows == len(background):
        return explainer
    drawn = np.sort(np.random.default_rng(options.seed).choice(len(background), rows, replace=False))
    smaller = kind(model, options, background[drawn])
    smaller.engine += f" ({rows} of {len(background)} background rows)"
    return smaller


def pick_output(model: Model, model_output: str) -> str:
    """What is explained: the probability, else the prediction, else (SVC, ...) the decision function; for `raw` the
    margin where there is one. Raises UnsupportedCombination.
    """
    if model_output == "probability" and "probability" not in model.outputs:
        reason = "it gives no probabilities"
        raise UnsupportedCombination(asked="model_output=probability", model=model.name, reason=reason)
    wanted = ("probability", "prediction", "label", "margin")
    order = ("margin", *wanted) if model_output == "raw" else wanted
    return next(key for key in order if key in model.outputs)


def as_shap_asks(output: Output) -> Callable[[Rows], Rows]:
    """One output as shap wants it: without an axis of its own."""
    return (lambda rows: output.call(rows)[:, 0]) if len(output.names) == 1 else output.call


def mean_output(output: Output, background: Rows) -> list[float]:
    """The base values: the mean over the background, one for each output."""
    return [float(value) for value in output.call(background).mean(axis=0)]
