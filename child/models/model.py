"""One fitted model, whatever its family: what the explainers and the additivity check need of it. Used in children."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from child.pipelines.columns import Column
from child.rows.words import Numbers, Words
from shaptrees.arrays import Trees
from shaptrees.codes import coded

Rows = npt.NDArray[np.float64]
"""(rows, features), in the model's order of features."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One way to ask a model: `call` maps (rows, features) to (rows, outputs), float64, one name an output."""

    call: Callable[[Rows], Rows]
    names: list[str]
    stages: Callable[[Rows], Rows] | None = None
    """Of an ensemble that adds up: what it gave after each tree, (trees, rows, outputs), for a few rows."""

    def first(self, count: int) -> "Output":
        """The first outputs alone."""
        if count == len(self.names):
            return self
        return Output(call=lambda rows: self.call(rows)[:, :count], names=self.names[:count])

    def last(self, count: int) -> "Output":
        """The last outputs alone: of two classes the one that the other follows from."""
        if count == len(self.names):
            return self
        return Output(call=lambda rows: self.call(rows)[:, -count:], names=self.names[-count:])


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that was loaded and checked.

    `outputs` holds what the model can be asked for: `margin`, `probability`, `prediction`, of what predicts nothing but
    labels `label`, and of an isolation forest `path_length`, from which its score follows. A single margin is named for
    the positive class where there is one, otherwise "margin"; a regression's output is "prediction".
    """

    family: str
    name: str
    estimator: Any
    n_features: int
    features: list[str] | None
    outputs: dict[str, Output]
    takes_missing: bool
    doubt: str = ""
    """Why it may not mean here what it meant to its author: see `versions`. Empty where nothing says so."""
    trees: Callable[[], Trees] | None = None
    """Reads its trees into arrays, where that is known for its family. Raises ModelError for a model without any."""
    relative_error: float = 1e-9
    """What its own arithmetic may be off by, relative to the magnitudes that it adds up: see `conversion`."""
    warnings: tuple[tuple[str, str], ...] = ()
    """What is odd about its file but no error: a code, and a sentence that says what it means for the values."""
    last: "LastStep | None" = None
    """Of a pipeline, where it was taken apart."""
    words: dict[int, Words] = field(default_factory=dict)
    """Of its features those that are text: rows hold codes there, which `words` alone can read."""
    numbers: dict[int, Numbers] = field(default_factory=dict)
    """Those that are categories written as numbers."""


@dataclass(frozen=True, kw_only=True)
class LastStep:
    """The estimator that a pipeline ends with, and what it predicts from."""

    model: Model
    columns: Sequence[Column]
    transform: Callable[[Rows], Rows]
    """Rows of the table, (rows, features), to those of the last step, (rows, columns). Raises ValueError and TypeError
    for rows that a step refuses."""
    scale: float = 1.0
    shift: float = 0.0
    fillers: tuple[str, ...] = ()
    """See `child.pipelines.apart.Apart`."""


def as_columns(values: Any) -> Rows:
    """(rows,) or (rows, outputs) as float64 (rows, outputs)."""
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def on_codes(call: Callable[[Rows], Rows], categories: dict[int, Rows]) -> Callable[[Rows], Rows]:
    """The same for rows that hold categories, where `call` takes their codes as its library takes arrays."""
    return (lambda rows: call(coded(np.array(rows), rows, categories))) if categories else call


def output(call: Callable[[Rows], Any], names: Sequence[str]) -> Output:
    return Output(call=lambda rows: as_columns(call(rows)), names=list(names))
