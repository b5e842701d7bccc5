"""The rows that a model and what was read back are asked with: the user's own, or drawn from what the model learnt."""

from __future__ import annotations

import importlib
import math
import random
import sys
from typing import Any

from . import learnt
from .problem import Unconvertible

DRAWN = 256
MISSING_SHARE = 0.1
WAY_OUT = "Give some rows of yours with --data."


def own(path: str, model: Any, kind: Any) -> Any:
    """The rows of a file, with the model's columns where it knows their names. Raises Unconvertible."""
    if path.endswith(".npy"):
        return _importable("numpy").load(path)
    pandas = _importable("pandas")
    readers = {"csv": pandas.read_csv, "json": pandas.read_json, "parquet": pandas.read_parquet}
    reader = readers.get(path.rsplit(".", 1)[-1], pandas.read_csv)
    try:
        table = reader(path)
    except (ValueError, ImportError) as error:
        raise Unconvertible(f"--data cannot be read: {error}") from None
    names = kind.features(model)
    if names is None:
        return table.to_numpy()
    missing = [str(name) for name in names if name not in table.columns]
    if missing:
        raise Unconvertible(f"--data has no column {', '.join(missing[:3])}, which the model was trained on.")
    return _as_trained(table[list(names)], model)


def _as_trained(table: Any, model: Any) -> Any:
    """Text as pandas's categories where a booster takes those alone."""
    if type(model).__name__ != "Booster":
        return table
    texts = [name for name, kind in table.dtypes.items() if kind.name in ("object", "str", "string")]
    return table.astype(dict.fromkeys(texts, "category"))


def drawn(model: Any, kind: Any) -> list[Any]:
    """Tables of the same rows, the likeliest first: with missing cells, without, as arrays."""
    count = _count(model, kind.features(model))
    names = None if type(model).__name__ == "Booster" else kind.features(model)
    known = learnt.cells(model, count, kind.features(model))
    dice = random.Random(0)  # noqa: S311 - no secret
    rows = [[_cell(known.get(column), dice) for column in range(count)] for _ in range(DRAWN)]
    holed = [
        [math.nan if dice.random() < MISSING_SHARE and not isinstance(cell, str) else cell for cell in row]
        for row in rows
    ]
    texts = [column for column, cell in enumerate(rows[0]) if isinstance(cell, str)]
    tables = [_table(cells, names, texts) for cells in (holed, rows)]
    return [*tables, *_with_categories(tables, texts)]


def _with_categories(tables: list[Any], texts: list[int]) -> list[Any]:
    """The same where text is pandas's categories, which some models insist on."""
    frames = [table for table in tables if texts and hasattr(table, "columns")]
    return [table.astype(dict.fromkeys(table.columns[texts], "category")) for table in frames]


def _cell(known: Any, dice: random.Random) -> Any:
    if not known:
        return dice.gauss(0, 1)
    value = dice.choice(known)
    return value.item() if hasattr(value, "item") else value


def _count(model: Any, names: Any) -> int:
    """Raises Unconvertible."""
    if names is not None:
        return len(names)
    for name in ("num_features", "num_feature"):
        if hasattr(model, name):
            return int(getattr(model, name)())
    count = getattr(model, "n_features_in_", None) or len(getattr(model, "feature_names_", None) or ())
    if not count:
        raise Unconvertible(
            f"it does not say how many columns it takes, so its predictions cannot be compared. {WAY_OUT}"
        )
    return int(count)


def _table(rows: list[list[Any]], names: Any, texts: list[int]) -> Any:
    """A frame only where a model knows names: what it makes of it may depend on them."""
    cells = _importable("numpy").array(rows, dtype=object if texts else float)
    if names is None:
        return cells
    try:
        import pandas
    except ImportError:
        return cells
    table = pandas.DataFrame(cells, columns=list(names))
    return table.infer_objects() if texts else table


def _importable(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Unconvertible(
            f"--data is read by {name}, which {sys.executable} does not have; NPY needs NumPy alone."
        ) from None
