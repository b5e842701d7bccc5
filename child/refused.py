"""Which row a model refuses, and why: some only say so when they are asked, and then for all rows at once.

Used in children and, for a background, in templates. What is refused by the look of a cell never comes so far: see
`rows.layout`.
"""

from collections.abc import Callable

import numpy as np

from child.models.model import Rows
from child.rows.layout import Wanted
from jobs.errors import MissingValue, Problem, RowRefused

SHOWN_CHARACTERS = 200
Refusal = ValueError | TypeError


def named(
    ask: Callable[[Rows], object], rows: Rows, first: int, model: Wanted, error: Refusal, *, field: str = "data"
) -> Exception:
    """The Problem of the first row that the model refuses; the error itself where it takes each of them alone."""
    found = _first(ask, rows)
    if found is None:
        return error
    place, reason = found
    missing = np.flatnonzero(np.isnan(rows[place]))
    if "NaN" in reason and len(missing):
        column = model.features[missing[0]] if model.features else f"f{missing[0]}"
        return MissingValue(field=field, row=first + place, column=column, model=model.name)
    return RowRefused(field=field, row=first + place, model=model.name, reason=reason)


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
    except (ValueError, TypeError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:SHOWN_CHARACTERS]
    return ""
