"""Which row a model refuses, and why: some only say so when they are asked, and then for all rows at once.

Used in children and, for a background, in templates. What is refused by the look of a cell never comes so far: see
`rows.layout`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from child.models.model import Rows
from child.names import feature_names
from child.rows.layout import Wanted
from child.rows.words import shown
from jobs.errors import MissingValue, Problem, RowRefused

SHOWN_CHARACTERS = 200
Refusal = ValueError | TypeError | LookupError
REFUSALS = (ValueError, TypeError, LookupError)
"""What a model raises for a row that it does not take; the last, where its parts do not go together."""


def named(
    ask: Callable[[Rows], object], rows: Rows, first: int, model: Wanted, error: Refusal, *, field: str = "data"
) -> Exception:
    """The Problem of the first row that the model refuses; the error itself where it takes each of them alone."""
    found = _first(ask, rows)
    if found is None:
        return error
    place, reason = found
    if "nknown" in reason:
        reason = _unknown(rows[place], model) or reason
    missing = np.flatnonzero(np.isnan(rows[place]))
    if "NaN" in reason and len(missing):
        column = _name(model, int(missing[0]))
        return MissingValue(field=field, row=first + place, column=column, model=model.name)
    return RowRefused(field=field, row=first + place, model=model.name, reason=reason)


def _unknown(row: Rows, model: Wanted) -> str:
    """The first cell of a category that the model does not know; empty where all are known."""
    for place, words in model.words.items():
        if words.unknown.known and not words.is_known(row[place]):
            return _none_of(_name(model, place), words.values[int(row[place])], words.unknown.known)
    for place, numbers in model.numbers.items():
        if not np.isnan(row[place]) and row[place] not in numbers.unknown.known:
            return _none_of(_name(model, place), float(row[place]), numbers.unknown.known)
    return ""


def _none_of(column: str, cell: object, known: Sequence[object]) -> str:
    return f"column {column} is {shown([cell])}, none of the {len(known)} categories that it knows ({shown(known)})"


def _name(model: Wanted, place: int) -> str:
    return feature_names(model.features, model.n_features)[place]


def _first(ask: Callable[[Rows], object], rows: Rows) -> tuple[int, str] | None:
    """By halves: the first row that is refused, and what is said of it."""
    low, high = 0, len(rows)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _said(ask, rows[low:middle]) else (middle, high)
    said = _said(ask, rows[low:high])
    return (low, said) if said else None


def _said(ask: Callable[[Rows], object], rows: Rows) -> str:
    """Why these rows are refused; empty where they are not."""
    try:
        ask(rows)
    except Problem:
        raise
    except REFUSALS as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:SHOWN_CHARACTERS]
    return ""
