"""What the explainers that ask the model have in common: which output they ask for, and as much background as fits.

Used in templates. What a row is given never depends on how the rows were cut into chunks, so that a halved chunk, a
retried one and a larger batch_size all give the same values: `permutation` and `kernel` each hold to that.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np

from child import memory
from child.models.model import Model, Output, Rows
from jobs import planner
from jobs.errors import UnsupportedCombination
from jobs.options import Options

SEEDS = 2**32


class Sampling(Protocol):
    """An explainer whose memory depends on the background."""

    engine: str

    def needs_against(self, background_rows: int, rows: int) -> int:
        """See `Explainer.needs_bytes`, against so many background rows."""
        ...


S = TypeVar("S", bound=Sampling)


def fitted(make: Callable[[Rows], S], options: Options, background: Rows) -> S:
    """What `make` makes of the background; where the job allows it, of as many of its rows as the memory holds."""
    explainer, room = make(background), memory.room_bytes()
    if not options.may_shrink or room is None:
        return explainer
    rows = planner.rows_that_fit(len(background), room, lambda count: explainer.needs_against(count, 1))
    if rows == len(background):
        return explainer
    drawn = np.sort(np.random.default_rng(options.seed).choice(len(background), rows, replace=False))
    smaller = make(background[drawn])
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
