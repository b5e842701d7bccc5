"""The lists of categories that a model keeps: trees know a category by its place in its column's list, its code.

Does not know which libraries number what how: each family brings its lists.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from shaptrees.arrays import Floats
from shaptrees.errors import UnsupportedModel

SHOWN = 3
MOST = 1_000_000
"""Categories in all of a model's lists: each is an object, in every process that knows the model."""
_ENTRY = re.compile(r'"(?:[^"\\]|\\.)*"|[^",\[\]\s]+')
NOBODY = np.array([np.inf])
"""For an empty list: a category that no row has."""


Listed = dict[int, list[Any]]
"""Feature → the values of its categories, by code."""


def check_count(count: int, model: str) -> None:
    """Raises UnsupportedModel for more of them than are read."""
    if count > MOST:
        reason = (
            f"its lists of categories have {count} entries, over the {MOST} that are read: leave out columns in which "
            "nearly every row has a value of its own, or train it on codes"
        )
        raise UnsupportedModel(model, reason)


def entries(lists: str) -> int:
    """How many there are in lists as JSON, which are not parsed for it; at most so many, where they are few."""
    most = lists.count(",") + 1
    return most if most <= MOST else sum(1 for _ in _ENTRY.finditer(lists))


def split(lists: Listed, names: Sequence[str], model: str, *, texts: bool) -> tuple[dict[int, Floats], Listed]:
    """Lists of numbers, and those with text among them, which are refused without `texts`: trees know their codes.

    Raises UnsupportedModel for text, ValueError for a broken list.
    """
    is_text = {place for place, values in lists.items() if any(isinstance(value, str) for value in values)}
    if not texts:
        is_text = set()
    for place in is_text:
        if len(set(lists[place])) < len(lists[place]):
            raise ValueError(f"the categories of column {names[place]} are not all different")
    found = {place: numbers(values, names[place], model) for place, values in lists.items() if place not in is_text}
    return found, {place: lists[place] for place in sorted(is_text)}


def numbers(values: Sequence[Any], column: str, model: str) -> Floats:
    """A list as numbers, by code. Raises UnsupportedModel for one of text, ValueError for a broken one."""
    if any(isinstance(value, str) for value in values):
        some = ", ".join(map(repr, values[:SHOWN])) + (", …" if len(values) > SHOWN else "")
        raise UnsupportedModel(
            model,
            f"its column {column} has categories that are text ({some}), and rows here hold numbers: train it on a "
            "column of numbers in its place, e.g. frame[column].cat.codes, and send those",
        )
    found = np.asarray([float(value) for value in values], dtype=np.float64)
    if np.isnan(found).any() or len(np.unique(found)) < len(found):
        raise ValueError(f"the categories of column {column} are not all different")
    return found if len(found) else NOBODY


def places(fits: Sequence[Sequence[bool]], required: Sequence[bool]) -> list[int] | None:
    """Which column each list belongs to, where lists are kept in the order of columns but without their names.

    `fits[list][column]` says whether it may be, `required[column]` whether a column must have one. None where that
    leaves no choice, or more than one.
    """
    ways = _ways(fits, required)
    if ways[0][0] != 1:
        return None
    found, column = [], 0
    for number in range(len(fits)):
        while not (fits[number][column] and ways[number + 1][column + 1]):
            column += 1
        found.append(column)
        column += 1
    return found


def _ways(fits: Sequence[Sequence[bool]], required: Sequence[bool]) -> list[list[int]]:
    """[number of lists placed][columns passed]: how many ways there are from there on; 2 for any more."""
    columns = len(required)
    after = [0] * (columns + 1)
    after[columns] = 1
    for column in reversed(range(columns)):
        after[column] = 0 if required[column] else after[column + 1]
    ways = [after]
    for number in reversed(range(len(fits))):
        here = [0] * (columns + 1)
        for column in reversed(range(columns)):
            skip = 0 if required[column] else here[column + 1]
            here[column] = min(2, skip + (after[column + 1] if fits[number][column] else 0))
        ways.insert(0, here)
        after = here
    return ways
