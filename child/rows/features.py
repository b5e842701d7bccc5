"""A model of trees without its library, as the rows' side sees it. Used in templates, lean ones too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from child.rows.words import Floats, Numbers, Words
from shaptrees.ensemble import About

TAKEN = "explained as missing"
TAKEN_OF = {"xgboost": f"{TAKEN}, though XGBoost itself refuses it since 3.1"}
"""What is said of a category that the model does not know, by its family."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """See `rows.layout.Wanted`."""

    name: str
    n_features: int
    features: list[str] | None
    takes_missing: bool
    words: dict[int, Words] = field(default_factory=dict)
    numbers: dict[int, Numbers] = field(default_factory=dict)

    @classmethod
    def of(cls, about: About, categories: dict[int, Floats]) -> "Features":
        """`categories`: those that are numbers, by feature."""
        return cls(
            name=about.name,
            n_features=about.n_features,
            features=about.features,
            takes_missing=about.takes_missing,
            words=closed_words(about.texts, about.family),
            numbers=listed_numbers(categories, about.family),
        )


def closed_words(texts: Mapping[int, Sequence[Any]], family: str) -> dict[int, Words]:
    """For features whose categories, text among them, are all that there are, by code."""
    taken = TAKEN_OF.get(family, TAKEN)
    return {place: Words(known, grows=False, taken=taken) for place, known in texts.items()}


def listed_numbers(categories: Mapping[int, Floats], family: str) -> dict[int, Numbers]:
    """For features whose categories are these numbers."""
    taken = TAKEN_OF.get(family, TAKEN)
    return {place: Numbers(known.tolist(), taken) for place, known in categories.items()}
