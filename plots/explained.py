"""What there is to show of an explained job, and what is asked of it. Pure."""

from collections.abc import Sequence

import msgspec

Cell = float | str | None
"""A feature's value as the data has it; None where it is missing."""


class Sample(msgspec.Struct, kw_only=True, frozen=True):
    """Some rows with their values; `values` and `predictions` are flat, in C order."""

    rows: list[int]
    """Their numbers in the whole data, ascending."""
    data: list[list[Cell]]
    """(rows, features)"""
    values: Sequence[float]
    """(rows, features, outputs)"""
    predictions: Sequence[float]
    """(rows, outputs)"""


class Interactions(msgspec.Struct, kw_only=True, frozen=True):
    """Mean |interaction value| of the features that matter most: (features, features, outputs)."""

    features: list[str]
    mean_abs: list[list[list[float | None]]]


class Additivity(msgspec.Struct, kw_only=True, frozen=True):
    """How far base value plus SHAP values miss the model's own output in the worst row, and how far they may."""

    largest_error: float | None
    tolerance: float
    ok: bool


class Explained(msgspec.Struct, kw_only=True, frozen=True):
    """A job, or as much of it as is done."""

    features: list[str]
    outputs: list[str]
    base_values: list[float]
    explains: str
    """What the values add up to: `margin`, `probability`, `prediction`, ..."""
    rows: int
    """That are explained."""
    derived: list[str] = []
    """Features that are made of others: the sample has no values of their own."""
    mean_abs: list[list[float]] | None = None
    """(features, outputs) over all rows; None while that is not known."""
    interactions: Interactions | None = None
    additivity: Additivity | None = None
    sample: Sample | None = None
    note: str = ""
    """Stands below every title: that this is only a part, for example."""

    def value(self, row: int, feature: int, output: int) -> float:
        """A SHAP value of the sample; `row` is a position in it."""
        assert self.sample
        return self.sample.values[(row * len(self.features) + feature) * len(self.outputs) + output]

    def of_row(self, row: int, output: int) -> list[float]:
        """The SHAP values of a row of the sample, one a feature."""
        return [self.value(row, feature, output) for feature in range(len(self.features))]

    def of_feature(self, feature: int, output: int) -> list[float]:
        """A feature's SHAP values, one a row of the sample."""
        assert self.sample
        return [self.value(row, feature, output) for row in range(len(self.sample.rows))]

    def cells(self, feature: int) -> list[Cell]:
        """A feature's own values, one a row of the sample."""
        assert self.sample
        return [row[feature] for row in self.sample.data]

    def importance(self, output: int) -> list[float]:
        """Mean |SHAP| of each feature: over all rows, or over the sample while the whole is not known."""
        if self.mean_abs:
            return [of_outputs[output] for of_outputs in self.mean_abs]
        of_features = (self.of_feature(feature, output) for feature in range(len(self.features)))
        return [sum(map(abs, values)) / max(1, len(values)) for values in of_features]


class Asked(msgspec.Struct, kw_only=True, frozen=True):
    """What a chart shall show; None for what the chart chooses itself."""

    row: int | None = None
    """A row's number in the whole data."""
    feature: str | None = None
    output: str | None = None
    top: int = 10
    """Features, or bars, at most; the others are added up."""


class NotThere(Exception):
    """Something was asked for that this job has not; `available` is what it has."""

    def __init__(self, what: str, asked: object, available: Sequence[object]) -> None:
        self.what, self.asked, self.available = what, asked, available
        super().__init__(f"no {what} {asked}")


class Unavailable(Exception):
    """This job has not what a chart shows; the argument says why, and the way out."""


def chosen_output(of: Explained, asked: Asked) -> int:
    """Its place; by default the second of two, which is the positive class, and the first of more. Raises NotThere."""
    if asked.output is None:
        return 1 if len(of.outputs) == 2 else 0  # noqa: PLR2004
    return _place("output", asked.output, of.outputs)


def chosen_feature(of: Explained, asked: Asked, output: int) -> int:
    """Its place; by default the most important one's. Raises NotThere."""
    if asked.feature is None:
        importance = of.importance(output)
        return max(range(len(importance)), key=importance.__getitem__)
    return _place("feature", asked.feature, of.features)


def chosen_column(of: Explained, asked: Asked, output: int) -> int:
    """A feature with values of its own. Raises NotThere, Unavailable."""
    feature = chosen_feature(of, asked, output)
    if of.features[feature] in of.derived:
        raise Unavailable(f"{of.features[feature]} is made of other columns and has no values of its own")
    return feature


def chosen_row(of: Explained, asked: Asked) -> int:
    """Its place in the sample; by default the first. Raises NotThere."""
    assert of.sample
    if asked.row is None:
        return 0
    try:
        return of.sample.rows.index(asked.row)
    except ValueError:
        raise NotThere("row", asked.row, of.sample.rows) from None


def _place(what: str, asked: str, names: list[str]) -> int:
    if asked in names:
        return names.index(asked)
    if asked.isascii() and asked.isdigit() and len(asked) < 9 and int(asked) < len(names):  # noqa: PLR2004
        return int(asked)
    raise NotThere(what, asked, names)
