"""Exact SHAP values of tree ensembles: a library of its own. `from shaptrees import TreeExplainer`; needs NumPy alone.

- `explainer`: `TreeExplainer`, with shap's signature. Around it: `fitted` and `libraries` (any model to its trees),
  `rows` (any table), `methods`, `units` and `losses` (what is explained, and how features are left out), `approximate`,
  `covers`, `threads`, `additivity`, `explanation`.
- `arrays`: a tree ensemble as plain arrays, and what it predicts. Below it: `nodes` (the arrays, and what must hold of
  them), `rules` (what their numbers mean), `pairs` (features that meet on a path, and so may interact).
- `readers`: those arrays from a fitted model or its file.
- `engine`: SHAP values, interaction values and interventional values of such arrays.
- `columns`: rows as the engine's two implementations read them.
- `kernel.c`: the implementation in C; `numpy_engine`: the same recurrences where no compiler was at hand.

Children of the service import the engine and no explainer, so names are looked up when they are asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shaptrees.additivity import AdditivityError
    from shaptrees.errors import FeatureCount, ModelError, UnreadableModel, UnsupportedModel
    from shaptrees.explainer import TreeExplainer
    from shaptrees.explanation import Explanation

__all__ = [
    "AdditivityError",
    "Explanation",
    "FeatureCount",
    "ModelError",
    "TreeExplainer",
    "UnreadableModel",
    "UnsupportedModel",
]
_PLACES = {"TreeExplainer": "explainer", "Explanation": "explanation", "AdditivityError": "additivity"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'errors')}"), name)
