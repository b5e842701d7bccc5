"""SHAP values, by our own engine or through shap: one kind a file, and one shape of values whatever the kind.

Used in templates, which build an explainer once, and in children, which call it. `choose` picks the kind, `build`
builds it; `additivity` then compares every chunk with the real model. Does not read files or talk to anyone.
"""

from typing import Protocol

from jobs.errors import BackgroundRequired
from jobs.options import Options
from jobs.work.explainers import exact, linear, sampling, tree
from jobs.work.explainers.choose import choose
from jobs.work.models.model import Model, Output, Rows

__all__ = ["Explainer", "build", "choose"]


class Explainer(Protocol):
    """Built once in a template, called in its children."""

    engine: str
    """What computes, e.g. `shap.TreeExplainer (path-dependent)`."""
    explains: str
    """`margin`, `probability` or `prediction`."""
    output: Output
    """The real model's own output that the values add up to."""
    base_values: list[float]
    """One for each output."""
    relative_error: float
    """What its arithmetic may miss the model's own output by, relative to max(1, |output|)."""

    def explain(self, rows: Rows, first: int) -> Rows:
        """(rows, features[, features], outputs), float64; `first` is the first row's number in the whole data."""
        ...


def build(kind: str, model: Model, options: Options, background: Rows | None) -> Explainer:
    """The explainer of this kind. Raises BackgroundRequired, UnsupportedCombination, InvalidOptions."""
    if kind == "tree" and exact.takes(model, options, background):
        return exact.ExactTrees(model, options)
    if kind == "tree":
        return tree.TreeShap(model, options, background)
    if background is None:
        raise BackgroundRequired(explainer=kind, model=model.name)
    if kind == "linear":
        return linear.LinearShap(model, background)
    if kind == "kernel":
        return sampling.KernelShap(model, options, background)
    return sampling.PermutationShap(model, options, background)
