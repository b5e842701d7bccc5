"""What a pipeline's steps want of the table's columns: text, categories that are in a list, or nothing at all.

Used in templates. What the cells then are as numbers is for `child.rows.words`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from child.pipelines.provenance import Walk
from child.rows.features import closed_words, listed_numbers
from child.rows.words import Numbers, Words, is_missing

TAKEN = {
    "ignore": "taken for none of them, as the model's {} does (handle_unknown: ignore)",
    "warn": "taken for the rare ones, as the model's {} does (handle_unknown: warn)",
    "infrequent_if_exist": "taken for the rare ones, as the model's {} does (handle_unknown: infrequent_if_exist)",
    "use_encoded_value": "taken for its unknown_value, as the model's {} does",
    "TargetEncoder": "taken for the mean of the target, as the model's {} does",
}


@dataclass
class Wants:
    """By the places of the table's columns; those that are not here hold numbers."""

    words: dict[int, Words] = field(default_factory=dict)
    numbers: dict[int, Numbers] = field(default_factory=dict)
    listed: dict[int, Sequence[Any]] = field(default_factory=dict)
    """Columns that reach a booster as pandas' categories, and theirs; it refuses a frame without them."""
    whole: bool = False
    """Whether all steps that read the table are known, and say themselves which missing cells they refuse."""

    def add_listed(self, lists: Mapping[int, Sequence[Any]]) -> None:
        """Columns whose categories are these and no others, by code."""
        texts = {place for place, values in lists.items() if any(isinstance(value, str) for value in values)}
        self.words |= closed_words({place: lists[place] for place in texts}, "scikit-learn")
        self.numbers |= listed_numbers(
            {place: np.asarray(lists[place], float) for place in lists.keys() - texts}, "scikit-learn"
        )


def of(walk: Walk, width: int, *, whole: bool) -> Wants:
    """What a walk has met. Where it was a `whole` one, a column that no step reads may hold anything."""
    wants = Wants(whole=whole)
    for place, read_by in walk.categories.items():
        known = _merged([values for _, values in read_by])
        taken = _taken(read_by[0][0])
        if any(isinstance(value, str) for value in known):
            wants.words[place] = Words(known, grows=True, taken=taken)
        elif all(isinstance(value, int | float | np.number | np.bool_) for value in known if value is not None):
            wants.numbers[place] = Numbers(known, taken)
    for place in walk.texts:
        wants.words.setdefault(place, Words([], grows=True)).require_text()
    for place in range(width):
        if whole and place not in walk.touched:
            wants.words[place] = Words([], grows=False)
    return wants


def _merged(lists: list[Any]) -> list[Any]:
    """All values, the first first, none twice; one missing value at most."""
    values = [value for known in lists for value in np.asarray(known).tolist()]
    missing = [value for value in values if is_missing(value)][:1]
    return [*dict.fromkeys(value for value in values if not is_missing(value)), *missing]


def _taken(encoder: Any) -> str:
    kind = type(encoder).__name__
    said = TAKEN.get(kind) or TAKEN.get(str(getattr(encoder, "handle_unknown", "")), "")
    return said.format(kind)
