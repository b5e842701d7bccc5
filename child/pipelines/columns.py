"""What a pipeline makes of a table's columns, and the way back: its columns' values, added up by what they are made of.

Pure arithmetic, used in templates and children. Does not know scikit-learn: see `provenance`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from jobs.options import FeaturesOf
from shaptrees.arrays import Floats


class Column(NamedTuple):
    """One column that a pipeline makes."""

    name: str
    sources: frozenset[int]
    """The table's columns that it is made of, by their places."""
    by: str = ""
    """The transformer that has mixed it, of several columns or of a text's words; empty for what one column became,
    whose values are that column's."""
    raw: bool = False
    """Whether it is the table's column as it came, but for missing cells."""

    @property
    def source(self) -> int | None:
        """The only column that it is made of; None for more, and for a constant, whose values are zero."""
        return next(iter(self.sources)) if len(self.sources) == 1 else None


@dataclass(frozen=True)
class Groups:
    """Where the value of each of T columns goes: to one of G names, each of whose columns' values are added up."""

    names: list[str]
    places: npt.NDArray[np.int64]
    """(T,), into names."""

    @cached_property
    def _is_identity(self) -> bool:
        return np.array_equal(self.places, np.arange(len(self.names)))

    def add_up(self, values: Floats) -> Floats:
        """(rows, T[, T], outputs) → (rows, G[, G], outputs)."""
        if self._is_identity:
            return values
        for axis in range(1, values.ndim - 1):
            values = self._along(values, axis)
        return values

    def _along(self, values: Floats, axis: int) -> Floats:
        shape = (*values.shape[:axis], len(self.names), *values.shape[axis + 1 :])
        found = np.zeros(shape)
        if not len(self.places):
            return found
        order = np.argsort(self.places, kind="stable")
        starts = np.flatnonzero(np.diff(self.places[order], prepend=-1))
        present = (slice(None),) * axis + (self.places[order][starts],)
        found[present] = np.add.reduceat(np.take(values, order, axis), starts, axis)
        return found


def groups(columns: Sequence[Column], table: Sequence[str], wanted: FeaturesOf) -> Groups | str:
    """The table's columns first, in their order, then those of the pipeline's that are mixed, by their own names.

    A column of the table is left out where it goes into mixed ones alone. With `input` what mixes them is returned, if
    that is several columns; with `transformed` all keep their own names.
    """
    if wanted == "transformed":
        return Groups(_unique([column.name for column in columns], ()), np.arange(len(columns)))
    own = [len(column.sources) > 1 if wanted == "input" else bool(column.by) for column in columns]
    if wanted == "input" and any(own):
        return columns[own.index(True)].by
    kept = _kept(columns, own, len(table))
    place: dict[int | None, int] = {source: number for number, source in enumerate(kept)}
    mixed = [column.name for column, is_own in zip(columns, own, strict=True) if is_own]
    numbers = iter(range(len(kept), len(kept) + len(mixed)))
    places = [
        next(numbers) if is_own else place.get(column.source, 0) for column, is_own in zip(columns, own, strict=True)
    ]
    names = [table[source] for source in kept]
    return Groups([*names, *_unique(mixed, names)], np.array(places, dtype=np.int64))


def _kept(columns: Sequence[Column], own: Sequence[bool], table: int) -> list[int]:
    """The table's columns that keep a value of their own; those that no step uses have one, too: zero."""
    direct = {column.source for column, is_own in zip(columns, own, strict=True) if not is_own}
    mixed = {source for column, is_own in zip(columns, own, strict=True) if is_own for source in column.sources}
    return [source for source in range(table) if source in direct or source not in mixed]


def _unique(names: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Names of which none comes twice, as union and transformer may give the same to several."""
    seen, found = set(taken), []
    for name in names:
        fresh, number = name, 1
        while fresh in seen:
            number += 1
            fresh = f"{name} ({number})"
        seen.add(fresh)
        found.append(fresh)
    return found
