"""Shapley values by their definition: every coalition of the features is asked for. For a handful of features."""

from collections.abc import Callable, Mapping
from itertools import product
from math import factorial
from typing import Any

import numpy as np

from crosscheck.author.draw import Table
from crosscheck.author.specimen import Said


def coalitions(features: int) -> Any:
    """(2**features, features): which of them are known."""
    return np.array(list(product([False, True], repeat=features)))


def values(worth: Any, known: Any) -> Any:
    """(rows, features, outputs) of what coalitions are worth, (coalitions, rows, outputs)."""
    count = known.shape[1]
    place = {row.tobytes(): index for index, row in enumerate(known)}
    found = np.zeros((worth.shape[1], count, worth.shape[2]))
    for index, row in enumerate(known):
        size = int(row.sum())
        for feature in np.flatnonzero(~row):
            joined = row.copy()
            joined[feature] = True
            share = factorial(size) * factorial(count - size - 1) / factorial(count)
            found[:, feature] += share * (worth[place[joined.tobytes()]] - worth[index])
    return found


def against(call: Callable[[Any], Any], rows: Any, background: Any) -> tuple[Any, Any]:
    """Values and base of a model, (rows, features) → (rows, outputs), where the background stands in for what is not
    known.
    """
    known = coalitions(rows.shape[1])
    mixed = np.where(known[:, None, None, :], rows[None, :, None, :], background[None, None, :, :])
    asked = call(mixed.reshape(-1, rows.shape[1]))
    worth = asked.reshape(len(known), len(rows), len(background), -1).mean(axis=2)
    return values(worth, known), worth[0, 0]


def said(calls: Mapping[str, Callable[[Any], Any]], table: Table) -> dict[str, Said]:
    """What a model gives when it is asked in each of these ways; with values where there is a background."""
    found = {key: Said(call(table.rows)) for key, call in calls.items()}
    if table.background is not None:
        for key, call in calls.items():
            found[key].values, found[key].base = against(call, table.rows, table.background)
    return found
