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
    """A chart, and whether it needs the rows of the sample."""

    draw: Callable[[Explained, Asked], Spec]
    needs_sample: bool = True


KINDS: dict[str, Kind] = {
    "bar": Kind(bar, needs_sample=False),
    "beeswarm": Kind(beeswarm),
    "waterfall": Kind(waterfall),
    "dependence": Kind(dependence),
    "heatmap": Kind(heatmap),
    "decision": Kind(decision),
    "interactions": Kind(interactions, needs_sample=False),
    "cohorts": Kind(cohorts),
    "additivity": Kind(additivity, needs_sample=False),
}


def specification(kind: str, of: Explained, asked: Asked) -> Spec:
    """A chart as Vega-Lite. Raises NotThere, and Unavailable for what this job has not."""
    row = KINDS[kind]
    if row.needs_sample and not of.sample:
        raise Unavailable(f"{kind} shows rows of the sample, and this job has none")
    return row.draw(of, asked)
