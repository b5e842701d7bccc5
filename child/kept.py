"""What a job's options keep of its values, done: groups added up, columns chosen, the largest of each row. In children.

What that looks like from outside, its names and its shape, is in `jobs.kept`.
"""

from collections.abc import Sequence

import numpy as np

from child.models.model import Rows
from child.prepared import Prepared
from child.rows.layout import some
from jobs import kept
from jobs.errors import BadResultOption
from jobs.options import Options
from jobs.records import MOST_PAIRS, Layout

FLOAT_BYTES = 8
AT_ONCE = 32 * 1024
"""Values that are sorted at once."""
MATRIX_AXES = 4


def grouping(names: Sequence[str], options: Options) -> dict[str, list[int]]:
    """The places that each column adds up, groups where their first feature was. Raises BadResultOption."""
    groups = options.groups or {}
    _check_groups(names, groups)
    of = {member: group for group, members in groups.items() for member in members}
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        found.setdefault(of.get(name, name), []).append(place)
    return found


def _check_groups(names: Sequence[str], groups: dict[str, list[str]]) -> None:
    known = set(names)
    for group, members in groups.items():
        if group in known:
            raise _bad("groups", f"{group!r} is the name of a feature, too: give the group another", names)
        if unknown := [member for member in members if member not in known]:
            raise _bad("groups", f"{unknown[0]!r} of {group!r} is not there", names)


def check(prepared: Prepared, found: Layout) -> None:
    """Whether the options name what is there. Raises BadResultOption."""
    options, names = prepared.options, prepared.info.values_of(found)
    if (options.groups or options.columns) and len(set(names)) < len(names):
        raise _bad("columns" if options.columns else "groups", "two of its columns have the same name", names)
    known = set(names)
    if unknown := [name for name in options.columns or () if name not in known]:
        raise _bad("columns", f"{unknown[0]!r} is not there", names)
    if options.top_k and options.top_k > len(names):
        raise _bad("top_k", f"it is {options.top_k}, and a row has {len(names)} values", names)
    if options.reduce and prepared.pairs(found) > MOST_PAIRS:
        reason = (
            f"the matrix of its interactions has {prepared.pairs(found)} numbers, over the {MOST_PAIRS} that are kept"
        )
        raise _bad("reduce", f"{reason}: name some `columns`, or add up `groups`", names)


def _bad(field: str, reason: str, names: Sequence[str]) -> BadResultOption:
    return BadResultOption(field=field, reason=reason, available=some(names))


class Kept:
    """One job's way from a block's values to those that its result has."""

    def __init__(self, prepared: Prepared, found: Layout) -> None:
        options, names = prepared.options, prepared.info.values_of(found)
        grouped = grouping(prepared.info.ungrouped(found), options) if options.groups else {}
        self._groups = list(grouped.values())
        self._places = [names.index(name) for name in options.columns] if options.columns else None
        self._top_k = options.top_k
        self._keeps_rows = options.reduce is None

    def grouped(self, values: Rows) -> Rows:
        """(rows, features[, features], outputs), added up by groups."""
        if not self._groups:
            return values
        values = _added_up(values, self._groups)
        return _added_up(values.swapaxes(1, 2), self._groups).swapaxes(1, 2) if values.ndim == MATRIX_AXES else values

    def columns(self, values: Rows) -> Rows:
        """Those of the columns that were asked for."""
        if self._places is None:
            return values
        values = values[:, self._places]
        return values[:, :, self._places] if values.ndim == MATRIX_AXES else values

    def of_rows(self, values: Rows) -> Rows | None:
        """What the result has of them; None where it has no rows."""
        if not self._keeps_rows:
            return None
        return largest(values, self._top_k) if self._top_k else self.columns(values)


def _added_up(values: Rows, groups: Sequence[Sequence[int]]) -> Rows:
    """Along the second axis."""
    out = np.empty((len(values), len(groups), *values.shape[2:]))
    for at, places in enumerate(groups):
        values[:, places].sum(axis=1, out=out[:, at])
    return out


def largest(values: Rows, count: int) -> Rows:
    """Of (rows, features, outputs): (rows, 2 count + 1, outputs), the places of the largest |values|, these, the rest.

    Among equal ones the first goes first.
    """
    out = np.empty((len(values), 2 * count + 1, values.shape[2]))
    step = max(1, AT_ONCE // (values.shape[1] * values.shape[2]))
    for start in range(0, len(values), step):
        rest = values[start : start + step].copy()
        places = np.argsort(-np.abs(rest), axis=1, kind="stable")[:, :count]
        into = out[start : start + step]
        into[:, :count] = places
        into[:, count:-1] = np.take_along_axis(rest, places, axis=1)
        np.put_along_axis(rest, places, 0.0, axis=1)
        rest.sum(axis=1, out=into[:, -1])
    return out


def needs_bytes(prepared: Prepared, rows: int) -> int:
    """What all this adds to a child's peak: a further block of values, and the rows that are drawn for quantiles."""
    options, outputs = prepared.options, len(prepared.info.outputs)
    features = len(prepared.info.columns or ()) or prepared.model.n_features
    numbers = 0
    if options.groups or options.columns or options.by or options.top_k:
        cells = features * features if options.interactions else features
        numbers += min(rows, prepared.rows_per_block) * cells * outputs
    if options.reduce:
        most = max(1, kept.QUANTILE_NUMBERS // (features * outputs))
        numbers += 2 * min(rows, most) * features * outputs
    return FLOAT_BYTES * numbers
