"""What the C kernel may be called with: arrays of sound trees, and the many ways to spoil them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from shaptrees import levels
from shaptrees.arrays import Trees
from shaptrees.columns import columns
from tests.shaptrees.ensembles import Shape, rows

kernel: Any = levels.kernel
SHAPE = Shape(seed=1, trees=3, features=4, outputs=2, depth=5, spine=False, whole=True, strict=False)
NAMES = (
    *("offsets", "left", "right", "feature", "slot", "threshold", "rule", "set_start", "set_words", "sets"),
    *("share", "cover", "values", "tree_output", "points", "blocks", "phi"),
)


def arguments(trees: Trees) -> dict[str, Any]:
    """What engine.py passes, by name, in arrays that may be spoiled."""
    seen = columns(trees, rows(SHAPE, 20))
    blocks = seen.blocks(kernel.LANES)
    phi = np.zeros((len(blocks), len(trees.base), trees.features, kernel.LANES))
    arrays = (*seen.arrays(trees), levels.points(kernel.MOST_POINTS), blocks, phi)
    return {name: array.copy() for name, array in zip(NAMES, arrays, strict=True)}


def call(arrays: dict[str, Any], pairs: tuple[Any, Any] | None = None, **sizes: int) -> None:
    of = {"rows": 20, "lanes": kernel.LANES, "slots": arrays["blocks"].shape[1]}
    of |= {"features": 4, "outputs": 2, "level": 0}
    kernel.accumulate(tuple(arrays.values()), pairs, *(of | sizes).values())


def call_pairs(arrays: dict[str, Any], *, lanes: int = 24, rows: int = 20, **spoilt: Any) -> None:
    """With all pairs of four features."""
    pairs = {"start": np.array([0, 3, 5, 6, 6]), "other": np.array([1, 2, 3, 2, 3, 3])} | spoilt
    phi = np.zeros((1, 2, 4 + len(pairs["other"]), lanes))
    call(arrays | {"phi": phi}, tuple(array.astype(np.int32) for array in pairs.values()), lanes=lanes, rows=rows)


def call_predict(arrays: dict[str, Any]) -> None:
    slots = arrays["blocks"].shape[1]
    blocks, phi = arrays["blocks"].reshape(-1, slots), np.zeros((arrays["blocks"].size // slots, 2))
    kernel.predict((*list(arrays.values())[:-2], blocks, phi), slots, 4, 2)


def call_background(arrays: dict[str, Any], *, pairs: bool = False) -> None:
    slots = arrays["blocks"].shape[1]
    x, back, weight = np.zeros((slots, 5)), np.ones((slots, 7)), np.ones(7)
    phi = np.zeros((5, 2, 4, 4) if pairs else (2, 4, 5))
    kernel.accumulate_background((*list(arrays.values())[:-2], x, phi), back, weight, slots, 4, 2, pairs, 0)


def put(name: str, index: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(arrays: dict[str, Any]) -> None:
        arrays[name][index] = value

    return spoil


def cut(name: str) -> Callable[[dict[str, Any]], None]:
    def spoil(arrays: dict[str, Any]) -> None:
        arrays[name] = arrays[name][:-1].copy()

    return spoil


def a_shared_child(arrays: dict[str, Any]) -> None:
    """Every split points to the next two nodes: a walk would take exponentially long."""
    size = int(arrays["offsets"][1])
    arrays["left"][:size] = np.minimum(np.arange(size) + 1, size - 2)
    arrays["right"][:size] = np.minimum(np.arange(size) + 2, size - 1)
    arrays["left"][size - 2 : size] = arrays["right"][size - 2 : size] = -1


HOSTILE = {
    **{f"{name} too short": cut(name) for name in NAMES if name != "sets"},
    "child before its parent": put("left", 0, 0),
    "child far away": put("right", 0, 2**31 - 1),
    "negative child": put("left", 0, -7),
    "one child": put("left", 0, -1),
    "a shared child": a_shared_child,
    "feature too large": put("feature", 0, 4),
    "negative feature": put("feature", 0, -1),
    "slot too large": put("slot", 0, 10**6),
    "negative slot": put("slot", 0, -1),
    "set outside": put("set_start", slice(None), 10**9),
    "set before": put("set_start", slice(None), -1),
    "set too long": put("set_words", slice(None), 2**31 - 1),
    "unknown rule": put("rule", 0, 3),
    "share of two": put("share", 0, 2.0),
    "share not a number": put("share", 0, np.nan),
    "output too large": put("tree_output", 0, 2),
    "negative output": put("tree_output", 0, -2),
    "trees out of order": put("offsets", 1, 10**9),
    "trees backwards": put("offsets", 1, -5),
}

HOSTILE_PAIRS: dict[str, dict[str, Any]] = {
    "begins late": {"start": np.array([1, 3, 5, 6, 6])},
    "ends early": {"start": np.array([0, 3, 5, 5, 5])},
    "ends late": {"start": np.array([0, 3, 5, 6, 7])},
    "runs back": {"start": np.array([0, 5, 3, 6, 6])},
    "runs far": {"start": np.array([0, 10**9, 5, 6, 6])},
    "runs below zero": {"start": np.array([0, -(10**9), 5, 6, 6])},
    "too few features": {"start": np.array([0, 3, 5, 6])},
    "a missing pair": {"start": np.array([0, 2, 4, 5, 5]), "other": np.array([1, 2, 2, 3, 3])},
    "no pairs": {"start": np.zeros(5), "other": np.zeros(0)},
    "another partner": {"other": np.array([1, 2, 3, 2, 3, 10**9])},
    "narrower than a vector": {"lanes": 20},
    "fewer lanes than rows": {"lanes": 16},
    "no lanes": {"lanes": 0},
    "more lanes than a block": {"lanes": 128},
}
