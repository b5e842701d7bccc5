"""One tree at a time, as readers find it, put together into `Trees`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.work.trees.arrays import Trees


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


def assemble(parts: list[Part], *, output: Any, **whole: Any) -> Trees:
    """Trees from their parts; `output` is one for all or one a tree. Raises UnreadableModel where they are not."""
    sizes = [len(part.left) for part in parts]
    words = np.cumsum([0] + [0 if part.sets is None else len(part.sets) for part in parts])
    starts = [
        np.zeros(size) if part.set_start is None else np.where(part.set_words, part.set_start + first, 0)
        for part, size, first in zip(parts, sizes, words, strict=False)
    ]
    return Trees(
        offsets=_join([np.cumsum([0, *sizes])], np.int32),
        left=_join([part.left for part in parts], np.int32),
        right=_join([part.right for part in parts], np.int32),
        feature=_join([part.feature for part in parts], np.int32),
        threshold=_join([part.threshold for part in parts], np.float64),
        rule=_join([_or_zeros(part.rule, size) for part, size in zip(parts, sizes, strict=True)], np.uint8),
        missing=_join([part.missing for part in parts], np.uint8),
        set_start=_join(starts, np.int32),
        set_words=_join([_or_zeros(part.set_words, size) for part, size in zip(parts, sizes, strict=True)], np.int32),
        sets=_join([_or_zeros(part.sets, 0) for part in parts], np.uint32),
        cover=_join([part.cover for part in parts], np.float64),
        values=_join([part.values for part in parts], np.float64),
        tree_output=np.broadcast_to(np.asarray(output, dtype=np.int32), len(parts)).copy(),
        **whole,
    )


def _or_zeros(array: Any, size: int) -> Any:
    return np.zeros(size) if array is None else array


def _join(arrays: list[Any], dtype: Any) -> Any:
    """All in one array; OverflowError where a number does not fit, instead of wrapping around."""
    joined = np.concatenate([np.asarray(array) for array in arrays]) if arrays else np.empty(0)
    if np.issubdtype(dtype, np.integer) and len(joined):
        bounds = np.iinfo(dtype)
        if not (joined.min() >= bounds.min and joined.max() <= bounds.max):
            raise OverflowError(f"a number is outside of {bounds.min} to {bounds.max}")
    return np.ascontiguousarray(joined, dtype=dtype)
