"""A model of trees as its users see it: the arrays, and what there is to say about them.

Made by `readers`. Does not know how values are found: see `engine`.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shaptrees import engine
from shaptrees.arrays import Floats, Trees
from shaptrees.errors import UnreadableModel


@dataclass(frozen=True, kw_only=True)
class About:
    """What a model of trees says of itself."""

    family: str
    name: str
    n_features: int
    features: list[str] | None
    takes_missing: bool
    outputs: dict[str, list[str]]
    """What it can be asked for (`margin`, `probability`, `prediction`, `path_length`), and the names of each."""
    native: str
    """The one of them that its trees add up to."""
    warnings: tuple[tuple[str, str], ...] = ()
    """What is odd about its file but no error: a code, and a sentence that says what it means for the values."""
    texts: dict[int, list[Any]] = field(default_factory=dict)
    """Features that are text in a table: their categories, by the codes that rows hold here."""
    doubt: str = ""
    """Why its trees may not mean here what they meant to its author; empty where nothing says so."""


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Trees, and the model that they came from. Raises UnreadableModel where one does not go with the other."""

    about: About
    trees: Trees
    expected: Floats | None = None
    """The trees' expected value where a file knew it: finding it takes as long as explaining a row."""

    @property
    def expected_value(self) -> Floats:
        """(K,): what path-dependent values add to."""
        return self.trees.expected_value if self.expected is None else self.expected

    def __post_init__(self) -> None:
        names = self.about.outputs.get(self.about.native, ())
        if self.trees.features != self.about.n_features or self.trees.outputs != len(names):
            reason = f"{self.trees.outputs} outputs named {', '.join(names)}, {self.trees.features} features"
            raise UnreadableModel("tree arrays", reason)
        for feature, known in self.trees.categories.items():
            sound = known.dtype == np.float64 and known.ndim == 1 and len(known) and (np.diff(np.sort(known)) > 0).all()
            if not sound or not 0 <= feature < self.trees.features:
                raise UnreadableModel("tree arrays", f"the categories of feature {feature} are not all different")

    def predict(self, output: str, rows: NDArray[np.floating]) -> Floats:
        """Rows (n, F) → (n, K): the native output, or with a logistic link the probability that follows from it."""
        raw = engine.predict(self.trees, rows)
        if output == self.about.native:
            return raw
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(-raw)))
