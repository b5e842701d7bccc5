"""Columns whose cells are categories or text: what a cell is as a number, and what the model does not know.

Rows stay numbers all the way: a column of text holds the places of its cells in a list, which begins with what the
model knows. Used in templates, for a background, and in children; the list grows with what a child reads, so these
numbers mean something in its own process alone. Does not know which models want what: see `child.pipelines.wants`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.warnings import JobWarning, warning

SHOWN, SHOWN_CHARACTERS = 3, 40
MISSING = frozenset(("", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none", "nat"))
"""In lower case: what pandas writes or reads for a missing value."""
_BOOLEANS = {"true": True, "false": False}
Floats = npt.NDArray[np.float64]


def is_missing(value: Any) -> bool:
    """None, or a float that is no number."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def shown(values: Sequence[Any]) -> str:
    """Some of them, for messages."""
    some = ", ".join(_plain(value)[:SHOWN_CHARACTERS] for value in values[:SHOWN])
    return some + (", …" if len(values) > SHOWN else "")


def _plain(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


class Unknown:
    """What was met in one column that the model does not know: the first few, for a warning."""

    def __init__(self, known: Sequence[Any], taken: str) -> None:
        self.known, self._taken = known, taken
        self._met: dict[str, None] = {}

    def meet(self, values: Iterable[Any]) -> None:
        for value in values:
            if len(self._met) <= SHOWN:
                self._met[_plain(value)[:SHOWN_CHARACTERS]] = None

    def warnings(self, column: str) -> list[JobWarning]:
        """One, or none."""
        if not self._met or not self._taken:
            return []
        met = ", ".join(list(self._met)[:SHOWN]) + (", …" if len(self._met) > SHOWN else "")
        listed = f"{len(self.known)} categories in the model ({shown(self.known)})"
        text = f"{column}: {met} is none of the {listed}: {self._taken}."
        return [warning("unknown_category", text)]


class _Memo(dict[str, float]):
    """A dictionary that asks once for each text."""

    def __init__(self, ask: Callable[[str], float]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, text: str) -> float:
        self[text] = found = self._ask(text)
        return found


class Words:
    """One column of text. `code` is for one cell, `cells` the way back."""

    def __init__(self, known: Sequence[Any], *, grows: bool, taken: str = "") -> None:
        """`known`: the model's categories, text mostly. `grows`: others get a place, too, and reach the model as they
        are; else they are missing. `taken`: what the model makes of them; empty where it knows no list.
        """
        self._missing = None if any(value is None for value in known) else math.nan
        self.as_text = False
        """Whether cells are wanted to the letter, even where they look like numbers."""
        self.only_text = False
        """Whether the model reads nothing else: a number would end in its code."""
        self.values = [value for value in known if not is_missing(value)]
        self.unknown = Unknown(list(self.values), taken)
        self._grows = grows
        self._codes = {value: float(place) for place, value in enumerate(self.values)}
        self._read = _Memo(self._of_text)

    def code(self, cell: Any) -> float:
        """NaN for a missing cell. Raises TypeError for a list, an object, and for what must be text and is none."""
        if isinstance(cell, str):
            return self._read[cell]
        if is_missing(cell):
            return math.nan
        if self.only_text or not isinstance(cell, int | float):
            raise TypeError(cell)
        for spelled in (cell, str(cell)) if isinstance(cell, bool) else (cell, _spelled(cell), str(cell)):
            if spelled in self._codes:
                return self._codes[spelled]
        return self._new(cell)

    def require_text(self) -> None:
        """Take text only, and to the letter."""
        self.as_text = self.only_text = True

    def codes(self, cells: Sequence[Any]) -> Iterator[float]:
        """The same for a column; quick where all is text."""
        return map(self._read.__getitem__ if set(map(type, cells)) == {str} else self.code, cells)

    def _of_text(self, cell: str) -> float:
        """As it is, without blanks around it, as a missing value, a boolean or a number: the first that is known."""
        text = cell.strip()
        for spelled in (cell, text):
            if spelled in self._codes:
                return self._codes[spelled]
        if text.lower() in MISSING:
            return math.nan
        number = _number(text)
        for other in (_BOOLEANS.get(text.lower()), number, None if number is None else _spelled(number)):
            if other is not None and other in self._codes:
                return self._codes[other]
        return self._new(cell)

    def _new(self, cell: Any) -> float:
        self.unknown.meet([cell])
        if not self._grows:
            return math.nan
        self._codes[cell] = float(len(self.values))
        self.values.append(cell)
        return self._codes[cell]

    def cells(self, codes: Floats) -> npt.NDArray[np.object_]:
        """What the model is given; missing for what is no place in the list."""
        listed = np.empty(len(self.values) + 1, dtype=object)
        listed[:-1], listed[-1] = self.values, self._missing
        known = (codes >= 0) & (codes < len(self.values))
        return listed[np.where(known, codes, len(self.values)).astype(np.int64)]

    def is_known(self, code: float) -> bool:
        """Whether the model knows the cell of this code; a missing one counts as known."""
        return not code >= len(self.unknown.known)


class Numbers:
    """One column of categories that are numbers: rows hold them as they are."""

    def __init__(self, known: Sequence[float], taken: str) -> None:
        numbers = np.array([float(value) for value in known if not is_missing(value)])
        self._known = np.unique(numbers[np.isfinite(numbers)])
        self.unknown = Unknown(self._known.tolist(), taken)

    @property
    def first(self) -> float:
        """One that the model knows; missing where its list is empty."""
        return float(self._known[0]) if len(self._known) else math.nan

    @property
    def listed(self) -> list[float]:
        """What the model knows, whole numbers as such."""
        return [int(number) if number.is_integer() else number for number in self._known.tolist()]

    def look(self, values: Floats) -> None:
        """Remember those that the model does not know."""
        strange = values[~np.isin(values, self._known) & ~np.isnan(values)]
        if len(strange):
            self.unknown.meet(np.unique(strange).tolist())


def _spelled(number: float) -> str:
    """1.0 is 1, as a column of whole numbers with a missing cell comes to be written."""
    return str(int(number)) if isinstance(number, int) or number.is_integer() else repr(number)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
