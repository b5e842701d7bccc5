"""Brings the data's columns into the model's order, and refuses values that the model cannot take. Used in children.

Does not parse files: see the formats beside it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from child import names
from child.parts import Source
from child.rows import cells, ids
from child.rows.matching import fold, match
from child.rows.readers import read_rows
from child.rows.table import Rows, Table
from child.rows.words import Numbers, Words
from jobs import warnings
from jobs.errors import BadHeader, FeatureCount, FeatureNames, InfiniteValue, MissingValue, NoHeader
from jobs.records import Layout
from jobs.spans import Span
from jobs.warnings import JobWarning, warning

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
    @property
    def words(self) -> Mapping[int, Words]: ...
    @property
    def numbers(self) -> Mapping[int, Numbers]: ...


def lay_out(
    table: Table,
    model: Wanted,
    field: str,
    unknown_columns: str = "ignore",
    beside: ids.Beside = ids.NONE_BESIDE,
) -> Layout:
    """How the data's columns meet the model's features; names are shown as the data has them.

    With names on both sides each feature is looked for (see `matching`), and columns beside them are ignored with a
    warning, or refused where `unknown_columns` says so. Otherwise the number must match, and the names are those of
    the side that has some, or f0, f1, ... Raises FeatureNames, FeatureCount, NoHeader, BadHeader, NamesTooLarge and
    BadNames.
    """
    names.check(field, table.columns or ())
    columns, said = table.columns, list(table.warnings)
    id_place, by_place = beside.places(table, field)
    if model.features and columns:
        order, guesses = _by_name(
            table, columns, model.features, field, {id_place, by_place}, refuse=unknown_columns == "refuse"
        )
    else:
        order, guesses = _by_place(table, model, field, id_place, by_place)
        columns = columns or names.feature_names(model.features, table.width)
    features = [columns[place] for place in order]
    return Layout(
        format=table.format,
        columns=columns,
        features=features,
        order=None if features == columns else order,
        id_place=id_place,
        whole_ids=id_place in table.whole,
        by_place=by_place,
        detail=table.detail,
        warnings=warnings.merged(said, guesses),
    )


def read_in_order(source: Source, span: Span, layout: Layout, model: Wanted) -> Rows:
    """The span's rows in the model's order, checked. Raises as `read_rows` and `check_values`."""
    rows = read_rows(source, span, layout, model.words)
    check_values(rows, span.first, layout, model, source.field)
    for place, known in model.numbers.items():
        known.look(rows[:, place])
    return rows


def unknown(layout: Layout, model: Wanted) -> list[JobWarning]:
    """What was read until now in columns of categories that the model does not know."""
    met = {place: own.unknown for kind in (model.words, model.numbers) for place, own in kind.items()}
    return [said for place in sorted(met) for said in met[place].warnings(layout.features[place])]


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


def _by_name(
    table: Table, columns: list[str], features: Sequence[str], field: str, beside: set[int | None], *, refuse: bool
) -> tuple[list[int], list[JobWarning]]:
    """The column of each feature, and what is said of it."""
    found = match(columns, features)
    if found.repeated:
        raise BadHeader(field=field, reason=f"more than one column is named {some(list(map(repr, found.repeated)))}")
    order = [place for place in found.places if place is not None]
    taken = {*order, *beside}
    unknown = [name or f"(column {place + 1})" for place, name in enumerate(columns) if place not in taken]
    if len(order) < len(features) or (refuse and unknown):
        if table.first_line and not order and all(map(cells.is_number, columns)):
            raise NoHeader(field=field, line=",".join(columns)[: cells.SHOWN_CHARS])
        missing = [name for name, place in zip(features, found.places, strict=True) if place is None]
        raise FeatureNames(field=field, missing=some(missing), unknown=some(unknown))
    said = []
    if found.guessed:
        pairs = some([f"{column!r} for {feature!r}" for column, feature in found.guessed])
        said.append(
            warning("names_folded", f"{field}: columns were taken for features of nearly the same name: {pairs}.")
        )
    if unknown:
        ignored = f"{field}: columns that the model does not know were ignored: {some(unknown)}."
        said.append(warning("columns_ignored", ignored))
    return order, said


def _by_place(
    table: Table, model: Wanted, field: str, id_place: int | None, by_place: int | None
) -> tuple[list[int], list[JobWarning]]:
    """As many columns as features, in their order; a column without a name before them is pandas's index."""
    columns, order, said = table.columns or [], [place for place in range(table.width) if place != id_place], []
    if by_place in order and len(order) == model.n_features + 1:
        order.remove(by_place)
    if columns and not columns[0] and len(order) == model.n_features + 1 and id_place != 0:
        order = order[1:]
        said.append(
            warning("columns_ignored", f"{field}: the first column, which has no name, was taken for an index.")
        )
    if len(order) != model.n_features:
        raise FeatureCount(field=field, found=len(order), expected=model.n_features)
    named = [columns[place] for place in order] if columns else []
    doubt = _doubt(named, field) if table.first_line else None
    check_names(named, field)
    return order, [*said, *([doubt] if doubt else [])]


def _doubt(columns: Sequence[str], field: str) -> JobWarning | None:
    """A header that may be a row: the model has no names to compare it with. Raises NoHeader where it must be one."""
    numbers = [name for name in columns if name.strip() and cells.is_number(name)]
    if not numbers or [fold(name) for name in columns] == [str(place) for place in range(len(columns))]:
        return None
    if all(map(cells.is_number, columns)):
        raise NoHeader(field=field, line=",".join(columns)[: cells.SHOWN_CHARS])
    text = f"{field}: the first line was taken for names, though some of them are numbers: {some(numbers)}."
    return warning("doubtful_header", text)


def check_names(columns: Sequence[str], field: str) -> None:
    """Where only places count. Raises BadHeader for empty and for repeated names."""
    for position, name in enumerate(columns):
        if not name:
            reason = f"column {position + 1} has no name (was it written with its index? pandas: to_csv(index=False))"
            raise BadHeader(field=field, reason=reason)
    repeated = sorted(name for name, count in Counter(columns).items() if count > 1)
    if repeated:
        raise BadHeader(field=field, reason=f"more than one column is named {some(list(map(repr, repeated)))}")


def some(names: Sequence[str]) -> str:
    """The first of them, and how many more."""
    shown = ", ".join(names[:SHOWN_NAMES]) or "none"
    return shown if len(names) <= SHOWN_NAMES else f"{shown} and {len(names) - SHOWN_NAMES} more"
