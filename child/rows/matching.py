"""Which column is which feature of the model: by the name as it is, and then by what people and libraries change in
names. Used in children.

The ways, the first that finds a feature counts, and only where one column and one feature have that name:

- as it is;
- LightGBM's: it writes the spaces in names as underscores;
- folded: white space of any kind (no-break spaces and tabs too) and underscores at its ends are dropped and are one
  underscore within, and `1.0`, as a float's name, is `1`. This is a guess, which `Matched.guessed` tells.

Does not know what follows for a job: see `layout`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

_BLANKS = re.compile(r"[\s_\ufeff]+")
_WHOLE = re.compile(r"(-?\d+)\.0+")


class Matched(NamedTuple):
    """Where each feature's column is."""

    places: list[int | None]
    """The column of each feature; None where there is none."""
    guessed: list[tuple[str, str]]
    """Columns, and the features that they were taken for, though their names differ."""
    repeated: list[str]
    """Features that several columns have the very name of."""


def match(columns: Sequence[str], features: Sequence[str]) -> Matched:
    """Find each feature among the columns; no column is found twice."""
    count = Counter(columns)
    repeated = [feature for feature in features if count[feature] > 1]
    found: dict[int, int] = {}
    guessed: list[tuple[str, str]] = []
    for key in (str, _lightgbm, fold):
        pairs = _unique_pairs(columns, features, found, key)
        found |= pairs
        if key is fold:
            guessed = [(columns[place], features[index]) for index, place in pairs.items()]
        if len(found) == len(features):
            break
    return Matched([found.get(index) for index in range(len(features))], guessed, repeated)


def fold(name: str) -> str:
    """The name without what is changed without a thought."""
    folded = _BLANKS.sub("_", name).strip("_")
    number = _WHOLE.fullmatch(folded)
    return number[1] if number else folded


def _lightgbm(name: str) -> str:
    return name.replace(" ", "_")


def _unique_pairs(
    columns: Sequence[str], features: Sequence[str], found: dict[int, int], key: Callable[[str], str]
) -> dict[int, int]:
    """Of those not found yet: features and columns that are alone in having a name, by their numbers."""
    taken = set(found.values())
    by_column = _alone((key(name), place) for place, name in enumerate(columns) if place not in taken)
    by_feature = _alone((key(name), index) for index, name in enumerate(features) if index not in found)
    return {index: by_column[name] for name, index in by_feature.items() if name in by_column}


def _alone(names: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The names that come once."""
    found: dict[str, int] = {}
    several = set()
    for name, number in names:
        if name in found:
            several.add(name)
        found[name] = number
    return {name: number for name, number in found.items() if name not in several}
