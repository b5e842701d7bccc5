"""What is computed, and with which rows and backgrounds: shared by engines and by the driver that starts them."""

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from bench.models import MODELS, Floats, data

SHALLOW = ("boosting", "histogram", "xgboost", "lightgbm", "depth-8")
ROWS = 500


class Kind(StrEnum):
    """A task is done for every model of `MEASURED`."""

    VALUES = "values"
    INTERACTIONS = "interactions"
    BACKGROUND_100 = "100 background rows"
    BACKGROUND_1000 = "1000 background rows"

    @property
    def background(self) -> Floats | None:
        """The rows that values are against; None for path-dependent values."""
        sizes = {Kind.BACKGROUND_100: 100, Kind.BACKGROUND_1000: 1000}
        return data(sizes[self], seed=2)[0] if self in sizes else None


MEASURED = {
    Kind.VALUES: (*SHALLOW, "extra", "depth-16", "unlimited"),
    Kind.INTERACTIONS: (*SHALLOW, "extra", "depth-16"),
    Kind.BACKGROUND_100: (*SHALLOW, "extra"),
    Kind.BACKGROUND_1000: (*SHALLOW, "extra"),
}
"""Peers' interactions of the unlimited forest, and their deep trees against a background, take hours."""


def kinds(model: str) -> tuple[Kind, ...]:
    """What is measured of a model: everything, where it is not in the list at all."""
    listed = tuple(kind for kind, models in MEASURED.items() if model in models)
    return listed or tuple(MEASURED)


class Task(NamedTuple):
    """One kind of values of one model, whose files are in `directory`."""

    kind: Kind
    model: str
    directory: Path

    @property
    def title(self) -> str:
        return f"{self.kind}, {MODELS[self.model].title}"
