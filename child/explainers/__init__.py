"""SHAP values, by our own engine or through shap: one kind a file, and one shape of values whatever the kind.

Used in templates, which build an explainer once, and in children, which call it. `choose` picks the kind, `build`
builds it; `additivity` then compares every chunk with the model's output. Does not read files or talk to anyone.
Importing this package is light: `linear` and `sampling` bring shap, and `catboost_native`
its library; they are imported when one is built.
"""

from typing import Protocol

from child.explainers import trees
from child.explainers.choose import choose, choose_lean, wants_trees
from child.explainers.trees import ExactTrees
from child.models.model import Model, Output, Rows
from jobs.errors import BackgroundRequired, UnsupportedModel
from jobs.options import Options
from shaptrees.ensemble import Ensemble

__all__ = ["ExactTrees", "Explainer", "build", "choose_full", "choose_lean", "wants_trees"]


class Explainer(Protocol):
    """Built once in a template, called in its children."""

    engine: str
    """What computes, e.g. `shap.LinearExplainer`."""
    explains: str
    """`margin`, `probability`, `prediction` or `path_length`."""
    output: Output
    """The model's own output that the values add up to; for trees, that of their arrays."""
    base_values: list[float]
    """One for each output."""
    relative_error: float
    """What its arithmetic may miss the output by: see `additivity`."""
    rows_per_pass: int
    """Rows that it takes side by side: fewer take as long."""

    def needs_bytes(self, rows: int) -> int:
        """The peak of a child that explains a chunk of so many rows, over what it is forked with: an estimate."""
        ...

    def explain(self, rows: Rows, first: int) -> Rows:
        """(rows, features[, features], outputs), float64; `first` is the first row's number in the whole data."""
        ...


def choose_full(model: Model, options: Options, *, has_background: bool) -> tuple[str, str, Ensemble | None]:
    """The kind, the reason, and for trees their arrays. Raises UnsupportedCombination and BackgroundRequired."""
    native = model.family == "catboost"
    if native:
        from child.explainers import catboost_native

        ensemble, obstacle = None, catboost_native.obstacle(model, options, has_background=has_background)
    else:
        ensemble, obstacle = _trees(model, options)

    def linear_obstacle() -> str | None:
        from child.explainers import linear

        return linear.obstacle(model, options.model_output)

    kind, reason = choose(
        model.name,
        options,
        tree_obstacle=obstacle,
        linear_obstacle=linear_obstacle,
        has_background=has_background,
        tree_reason=catboost_native.reason if native else trees.reason,
    )
    return kind, reason, ensemble if kind == "tree" else None


def _trees(model: Model, options: Options) -> tuple[Ensemble | None, str | None]:
    """The model's arrays, or why it has none that could be explained as asked."""
    if not wants_trees(options):
        return None, None
    from child.models import conversion

    try:
        ensemble = conversion.convert(model)
    except UnsupportedModel as error:
        return None, str(error.detail["reason"])
    return ensemble, trees.obstacle(ensemble, options)


def build(kind: str, model: Model, options: Options, background: Rows | None) -> Explainer:
    """The explainer, but for our own trees. Raises BackgroundRequired, UnsupportedCombination, InvalidOptions."""
    if kind == "tree":
        from child.explainers import catboost_native

        return catboost_native.CatBoostTrees(model, options)
    if background is None:
        raise BackgroundRequired(explainer=kind, model=model.name)
    if kind == "linear":
        from child.explainers import linear

        return linear.LinearShap(model, background)
    from child.explainers import sampling

    return sampling.build(kind, model, options, background)
