"""One tree at a time, as readers find it, put together into `Trees`.

Takes the trees as they come and keeps of each what its arrays will hold, so that a reader never has two copies of a
large model.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shaptrees.arrays import Trees


@dataclass(kw_only=True)
class Part:
    """One tree, in whatever integer types its source has; `assemble` converts and checks them."""

    left: Any
    right: Any
    feature: Any
    threshold: Any
    missing: Any
    cover: Any
    values: Any
    rule: Any = None
    set_start: Any = None
    set_words: Any = None
    sets: Any = None


DTYPES = {
    "left": np.int32,
    "right": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
    "rule": np.uint8,
    "missing": np.uint8,
    "set_start": np.int32,
    "set_words": np.int32,
    "sets": np.uint32,
    "cover": np.float64,
    "values": np.float64,
}
"""Of the arrays that are made by putting those of the trees one after the other."""
_BOUNDS = {dtype: (np.iinfo(dtype).min, np.iinfo(dtype).max) for dtype in (np.int32, np.uint32, np.uint8)}


def assemble(parts: Iterable[Part], *, output: Any, **whole: Any) -> Trees:
    """Trees from their parts; `output` is one for all or one a tree. Raises UnreadableModel where they are not."""
    joined: dict[str, list[Any]] = {name: [] for name in DTYPES}
    sizes, words = [0], 0
    for part in parts:
        size = len(part.left)
        for name, dtype in DTYPES.items():
            joined[name].append(
                _fit(_shifted(part, words) if name == "set_start" else getattr(part, name), size, dtype)
            )
        if part.sets is None:
            joined["sets"][-1] = joined["sets"][-1][:0]
        words += len(joined["sets"][-1])
        sizes.append(size)
    return Trees(
        offsets=_fit(np.cumsum(sizes), len(sizes), np.int32),
        tree_output=np.broadcast_to(np.asarray(output, dtype=np.int32), len(sizes) - 1).copy(),
        **{name: _join(joined, name) for name in DTYPES},
        **whole,
    )


def _shifted(part: Part, words: int) -> Any:
    """Where a tree's sets begin among those of all trees."""
    return None if part.set_start is None else np.where(part.set_words, np.asarray(part.set_start) + words, 0)


def _fit(array: Any, size: int, dtype: Any) -> Any:
    """In this type, zeros for None; OverflowError where a number does not fit, instead of wrapping around."""
    if array is None:
        return np.zeros(size, dtype)
    array = np.asarray(array)
    if dtype in _BOUNDS and array.dtype != dtype and len(array):
        least, most = _BOUNDS[dtype]
        if not (array.min() >= least and array.max() <= most):
            raise OverflowError(f"a number is outside of {least} to {most}")
    return array.astype(dtype, copy=False)


def _join(joined: dict[str, list[Any]], name: str) -> Any:
    """All in one array; the pieces are let go at once."""
    pieces = joined.pop(name)
    return np.ascontiguousarray(np.concatenate(pieces)) if pieces else np.empty(0, DTYPES[name])
