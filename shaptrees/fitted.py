"""From any fitted model, file or bytes of a file to its trees, and what its library does around them.

Runs where the library is used, once an explainer. `libraries` holds what is particular to each library, `readers` the
parsers. To take another library is to add a row to `_LIBRARIES` and a file.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from shaptrees import engine
from shaptrees.arrays import Floats, Trees
from shaptrees.covers import first_trees
from shaptrees.errors import UnsupportedModel
from shaptrees.rows import Reading, rows
from shaptrees.rules import Link

_LIBRARIES = ("files", "xgboost", "lightgbm", "sklearn", "ngboost", "catboost", "dictionaries")
_WAY_OUT = (
    "it is none of scikit-learn's trees, forests and boosters, XGBoost's, LightGBM's, CatBoost's and NGBoost's models, "
    "their files, and dictionaries of trees"
)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The trees of a model, and what has to be known of it besides."""

    trees: Trees
    reading: Reading = field(default_factory=Reading)
    own: Callable[[Floats], Any] | None = None
    """The model's own raw output for rows (n, F), however it shapes it: nothing is copied when an explainer is."""
    loss: str | None = None
    """The loss that it was fitted to, where `losses` knows it."""
    chances: bool = False
    """Whether its trees add up to the probabilities of classes."""
    classifier: bool = False
    """Whether it has a `predict_proba`, with a column for each of two classes."""
    open: bool = False
    """Whether rows may have more columns than its trees look at: where trees are all that is known."""

    @property
    def tree_limit(self) -> int:
        """The number of trees, up to the best round where training stopped early."""
        return self.trees.trees

    @property
    def num_outputs(self) -> int:
        """K."""
        return self.trees.outputs

    def predict(self, table: Any) -> Floats:
        """The raw output for a table, from the trees: (n,), or (n, K) for K outputs."""
        raw = engine.predict(self.trees, rows(table, self.reading)[0])
        return raw[:, 0] if self.num_outputs == 1 else raw

    def own_output(self, x: Floats) -> Floats:
        """The raw output for rows (n, F) as the model itself has it: (n, K)."""
        assert self.own is not None
        return np.asarray(self.own(x), dtype=np.float64).reshape(len(x), self.num_outputs)

    def __getstate__(self) -> dict[str, Any]:
        """Without the model itself, so that who unpickles needs NumPy alone, and without what trees can make again."""
        return {**self.__dict__, "own": None, "trees": replace(self.trees)}


def fitted(model: Any, parameter: int | None = None) -> Any:
    """A `Fitted`, or what explains itself (`libraries.catboost`); of NGBoost's parameters, the one of this number.

    Raises UnsupportedModel, UnreadableModel, and OSError for a path that cannot be read.
    """
    if isinstance(model, str | os.PathLike):
        model = Path(model).read_bytes()
    for name in _LIBRARIES:
        library = import_module(f"shaptrees.libraries.{name}")
        if library.takes(model):
            return library.fitted(model) if parameter is None else library.fitted(model, parameter)
    raise UnsupportedModel(f"Model type not yet supported by TreeExplainer: {type(model)}", _WAY_OUT)


def limited(trees: Trees, tree_limit: int | None) -> Trees:
    """The first trees, all of them for None and below zero. Raises ValueError for zero."""
    return trees if tree_limit is None or tree_limit < 0 else first_trees(trees, tree_limit)


def wide(trees: Trees, features: int) -> Trees:
    """The trees for rows with more columns than they look at."""
    return replace(trees, features=features) if features > trees.features else trees


def loss_of(link: Link) -> str | None:
    """The loss that goes with a link, where there is one that is certain."""
    return "cross_entropy" if link == Link.LOGISTIC else None
