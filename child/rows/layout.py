"""Brings the data's columns into the model's order, and refuses values that the model cannot take. Used in children.

Does not parse files: see the formats beside it.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from child import names
from child.parts import Source
from child.rows.readers import read_rows
from child.rows.table import Rows, Table
from jobs.errors import FeatureCount, FeatureNames, InfiniteValue, MissingValue
from jobs.records import Layout
from jobs.spans import Span

SHOWN_NAMES = 10
LARGEST = np.finfo(np.float32).max
"""scikit-learn's and XGBoost's trees see 32-bit floats, in which anything larger is infinite."""


class Wanted(Protocol):
    """What the data must suit: a model's features (None where it was fitted without names)."""

    @property
    def name(self) -> str: ...
    @property
    def n_features(self) -> int: ...
    @property
    def features(self) -> list[str] | None: ...
    @property
    def takes_missing(self) -> bool: ...


def lay_out(table: Table, model: Wanted, field: str) -> Layout:
    """How the data's columns meet the model's features.

    With names on both sides they must be the same set, in any order, and are shown as the data has them. Otherwise the
    number must match, and the names are those of the side that has some, or f0, f1, ... Raises FeatureNames,
    FeatureCount, NamesTooLarge and BadNames.
    """
    names.check(field, table.columns or ())
    if model.features and table.columns:
        columns, order = table.columns, _order(table.columns, model.features, field)
    elif table.width != model.n_features:
        raise FeatureCount(field=field, found=table.width, expected=model.n_features)
    else:
        columns = table.columns or model.features or [f"f{index}" for index in range(table.width)]
        order = list(range(table.width))
    features = [columns[place] for place in order]
    return Layout(
        format=table.format,
        columns=columns,
        features=features,
        order=None if features == columns else order,
        detail=table.detail,
    )


def read_in_order(source: Source, span: Span, layout: Layout, model: Wanted) -> Rows:
    """The span's rows in the model's order, checked. Raises as `read_rows` and `check_values`."""
    rows = arrange(read_rows(source, span, layout), layout)
    check_values(rows, span.first, layout, model, source.field)
    return rows


def arrange(rows: Rows, layout: Layout) -> Rows:
    """The same rows with their columns in the model's order."""
    return rows if layout.order is None else np.ascontiguousarray(rows[:, layout.order])


def check_values(rows: Rows, first: int, layout: Layout, model: Wanted, field: str) -> None:
    """Rows in the model's order. Raises InfiniteValue and MissingValue for the first such cell, by row."""
    if rows.min() >= -LARGEST and rows.max() <= LARGEST:  # not so where a number is missing
        return
    infinite = _first(np.abs(rows) > LARGEST)
    if infinite:
        raise InfiniteValue(field=field, row=first + infinite[0], column=layout.features[infinite[1]])
    missing = _first(np.isnan(rows))
    if missing and not model.takes_missing:
        column = layout.features[missing[1]]
        raise MissingValue(field=field, row=first + missing[0], column=column, model=model.name)


def _first(where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[int, int] | None:
    row, column = divmod(int(where.argmax()), where.shape[1])
    return (row, column) if where[row, column] else None


def _order(columns: Sequence[str], features: Sequence[str], field: str) -> list[int]:
    """The place among the columns of each feature. LightGBM writes the spaces in names as underscores."""
    for written in (columns, [name.replace(" ", "_") for name in columns]):
        place = {name: index for index, name in enumerate(written)}
        if place.keys() == set(features) and len(place) == len(columns):
            return [place[name] for name in features]
    missing = [name for name in features if name not in set(columns)]
    unknown = [name for name in columns if name not in set(features)]
    raise FeatureNames(field=field, missing=_some(missing), unknown=_some(unknown))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES]) or "none"
    return shown if len(names) <= SHOWN_NAMES else f"{shown} and {len(names) - SHOWN_NAMES} more"
