"""CatBoost's categories: a file of CatBoost keeps hashes of them and no list, so the model is asked what it knows.

A category is known to it where any of some rows is predicted otherwise than with one that it cannot have seen. So a
cell is given to the model as it was in training: `True` may have been "True" or, in a column of booleans, "1". Used in
templates and children. Does not see a category that counts only together with one of another column, or as little as
one that is new: what is said of it says no more than that.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from child.rows.words import Unknown, Words, is_missing, shown
from jobs.warnings import JobWarning, warning

NEVER = "\0never seen"
ABSENT = ("", "nan", "None", "<NA>", "NaN")
"""What missing cells became before training: CatBoost itself takes none in a column of categories."""
MOST_ASKED = 200
"""Cells of a column that are looked at for a warning; for one of two spellings the model is always asked."""
TRIED = 64
_BOOLEANS = {"true": "1", "false": "0"}


class Categories(Words):
    """One column of categories. `knows` says whether the model has seen one."""

    def __init__(self, name: str, knows: Callable[[str], bool]) -> None:
        super().__init__([NEVER], grows=True)
        self.name = name
        self.as_text = True
        self.unknown: Strange = Strange()
        self._ask, self._known = knows, dict[str, bool]()

    def code(self, cell: Any) -> float:
        """See `Words.code`; NaN for a missing cell where the model knows nothing that it may have been in training."""
        cell = cell.item() if isinstance(cell, np.generic) else cell
        if isinstance(cell, str):
            return self._read[cell]
        if is_missing(cell):
            return self._read[""]
        if not isinstance(cell, int | float):
            raise TypeError(cell)
        return self._read[str(cell)]

    def _of_text(self, cell: str) -> float:
        text = cell.strip()
        if not text:
            return self._absent()
        if text.lower() in _BOOLEANS:
            return self._boolean(text)
        whole = text.removesuffix(".0")
        if whole != text and whole.lstrip("-").isdigit():
            return self._first([whole, text])
        return self._first([cell] if cell == text else [cell, text])

    def _boolean(self, text: str) -> float:
        """CatBoost takes columns of booleans for 1 and 0; text stays text where the model knows it."""
        as_text = any(map(self._knows, (text, "True", "False")))
        self.unknown.look(text, is_known=as_text or self._knows("1") or self._knows("0"))
        return self._place(text if as_text else _BOOLEANS[text.lower()])

    def _first(self, spelled: Sequence[str]) -> float:
        """The first that the model knows, or else the first."""
        if len(spelled) > 1 or len(self._known) < MOST_ASKED:
            found = next(filter(self._knows, spelled), None)
            self.unknown.look(spelled[0], is_known=found is not None)
            return self._place(found or spelled[0])
        return self._place(spelled[0])

    def _absent(self) -> float:
        found = next(filter(self._knows, ABSENT), None)
        if found is None:
            return math.nan
        self.unknown.absent = found
        return self._place(found)

    def _knows(self, text: str) -> bool:
        if text not in self._known:
            self._known[text] = self._ask(text)
        return self._known[text]

    def _place(self, text: str) -> float:
        if text not in self._codes:
            self._codes[text] = float(len(self.values))
            self.values.append(text)
        return self._codes[text]


class Strange(Unknown):
    """What the model seems not to know. Nothing is said of a column of which it seems to know no more than half: there
    its categories matter little, or together with others."""

    def __init__(self) -> None:
        super().__init__([], "")
        self.absent: str | None = None
        self._looks = {True: 0, False: 0}

    def look(self, text: str, *, is_known: bool) -> None:
        """At one cell."""
        self._looks[is_known] += 1
        if not is_known:
            self.meet([text])

    def warnings(self, column: str) -> list[JobWarning]:
        """At most one of each kind."""
        said = []
        if 0 < self._looks[False] < self._looks[True]:
            met = ", ".join(self._met)
            text = (
                f"{column}: {met} is to the model what a category is that it has not seen, and is explained as that: "
                "it may be misspelled, new, or rare (a file of CatBoost keeps no list of its categories)."
            )
            said.append(warning("unknown_category", text))
        if self.absent is not None:
            text = f"{column}: missing cells were taken for {shown([self.absent])}, which the model knows."
            said.append(warning("missing_category", text))
        return said


def of(booster: Any, width: int, ask: Callable[[Any], Any]) -> dict[int, Categories]:
    """Feature → its categories; `ask` gives the raw output for (rows, features) of numbers and text."""
    places = booster.get_cat_feature_indices()
    if not places:
        return {}
    rows = _rows(booster, width, places)
    before = np.asarray(ask(rows))

    def knows(place: int, text: str) -> bool:
        changed = rows.copy()
        changed[:, place] = text
        return not np.array_equal(before, np.asarray(ask(changed)), equal_nan=True)

    return {place: Categories(str(booster.feature_names_[place]), partial(knows, place)) for place in places}


def _rows(booster: Any, width: int, places: Sequence[int]) -> Any:
    """(TRIED, features): numbers on both sides of the model's borders, and categories that it cannot have seen."""
    random, rows = np.random.default_rng(0), np.zeros((TRIED, width), dtype=object)
    rows[:] = random.normal(size=rows.shape)
    for place, borders in booster.get_borders().items():
        if len(borders):
            rows[:, place] = random.choice([*borders, *np.nextafter(borders, np.inf), borders[-1] + 1], TRIED)
    rows[:, places] = NEVER
    return rows
