"""The charts by name, a row each. To add one is to add a row and its file. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from plots.additivity import additivity
from plots.bar import bar
from plots.beeswarm import beeswarm
from plots.cohorts import cohorts
from plots.decision import decision
from plots.dependence import dependence
from plots.explained import Asked, Explained, Unavailable
from plots.heatmap import heatmap
from plots.interactions import interactions
from plots.spec import Spec
from plots.waterfall import waterfall


class Kind(NamedTuple):
    """A chart: what it shows, and whether it needs the rows of the sample."""

    draw: Callable[[Explained, Asked], Spec]
    shows: str
    needs_sample: bool = True


KINDS: dict[str, Kind] = {
    "bar": Kind(bar, "mean |SHAP| of each feature", needs_sample=False),
    "beeswarm": Kind(beeswarm, "every value of the sample, coloured by the feature's own value"),
    "waterfall": Kind(waterfall, "how one row comes from E[f(X)] to f(x)"),
    "dependence": Kind(dependence, "a feature's SHAP value by its own value, coloured by its strongest partner"),
    "heatmap": Kind(heatmap, "the SHAP values of all rows of the sample side by side"),
    "decision": Kind(decision, "how rows come from E[f(X)] to f(x), a line a row"),
    "interactions": Kind(interactions, "mean |interaction value| of each pair of features", needs_sample=False),
    "cohorts": Kind(cohorts, "mean |SHAP| in parts of the sample, by a feature's values"),
    "additivity": Kind(additivity, "how far base value plus SHAP values miss the model's output", needs_sample=False),
}


def specification(kind: str, of: Explained, asked: Asked) -> Spec:
    """A chart as Vega-Lite. Raises NotThere, and Unavailable for what this job has not."""
    row = KINDS[kind]
    if row.needs_sample and not of.sample:
        raise Unavailable(f"{kind} shows rows of the sample, and this job has none")
    return row.draw(of, asked)
