"""The rows of a chunk by what a column has in them, and their sums: the option `by`. Used in children."""

import math
from collections.abc import Iterable

import numpy as np

from child.models.model import Rows
from child.parts import Source
from child.rows import ids
from jobs.errors import BadCohorts
from jobs.records import MOST_COHORT_NUMBERS, MOST_COHORTS, Cohort, Label, Layout
from jobs.spans import Span

WAY_OUT = "make ranges of it, or of its rare values one"


def labels(source: Source, span: Span, found: Layout) -> list[Label]:
    """Of the span's rows; none where no column was asked for."""
    if found.by_place is None:
        return []
    read = ids.cells(source, span, found, found.by_place)
    return [str(cell) if isinstance(cell, float) and math.isinf(cell) else cell for cell in read]


class Cohorts:
    """Sums of |value| and of values by label, block by block, in one array that is made before any block."""

    def __init__(self, given: list[Label], features: int, outputs: int, found: Layout) -> None:
        """Raises BadCohorts for too many."""
        places: dict[Label, int] = {}
        self._codes = np.array([places.setdefault(label, len(places)) for label in given], dtype=np.intp)
        self._labels = list(places)
        check(len(places), features * outputs, found)
        self._sums = np.zeros((len(places), 2, features, outputs))

    def add(self, effects: Rows, start: int) -> None:
        """(rows, features, outputs), the first of which is the chunk's number `start`."""
        codes = self._codes[start : start + len(effects)]
        for code in np.unique(codes):
            mine = effects[codes == code]
            self._sums[code, 1] += mine.sum(axis=0)
            self._sums[code, 0] += np.abs(mine, out=mine).sum(axis=0)

    def found(self) -> list[Cohort]:
        rows = np.bincount(self._codes, minlength=len(self._labels)).tolist() if self._labels else []
        sums = self._sums.astype("<f8")
        return [Cohort(label=label, rows=rows[at], sums=sums[at].tobytes()) for at, label in enumerate(self._labels)]


def check(count: int, numbers: int, found: Layout) -> None:
    """Raises BadCohorts where there are too many, of so many numbers each."""
    column = found.columns[found.by_place or 0]
    if count > MOST_COHORTS:
        reason = f"it has more than {MOST_COHORTS} different values: {WAY_OUT}"
        raise BadCohorts(field="data", column=column, reason=reason)
    if count * numbers > MOST_COHORT_NUMBERS:
        reason = f"{count} cohorts of {numbers} values are more than the {MOST_COHORT_NUMBERS} numbers that are kept"
        raise BadCohorts(field="data", column=column, reason=f"{reason}: {WAY_OUT}, or add up `groups`")


def merged(parts: Iterable[Cohort]) -> list[Cohort]:
    """Those with the same label added up, the largest first."""
    totals: dict[Label, tuple[int, Rows]] = {}
    for part in parts:
        rows, sums = totals.get(part.label, (0, np.zeros(1)))
        totals[part.label] = rows + part.rows, sums + np.frombuffer(part.sums, "<f8")
    found = [Cohort(label=label, rows=rows, sums=sums.tobytes()) for label, (rows, sums) in totals.items()]
    return sorted(found, key=lambda cohort: (-cohort.rows, str(cohort.label)))
