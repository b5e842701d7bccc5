"""The categories that XGBoost keeps since 3.1, a list a column: checked, as XGBoost follows the places in them too."""

from itertools import pairwise
from typing import Any

import numpy as np

from shaptrees.arrays import Floats
from shaptrees.readers import categories, checks, xgboost_head
from shaptrees.readers.checks import integers
from shaptrees.readers.xgboost_document import forest


def read(learner: dict[str, Any], *, texts: bool) -> tuple[dict[int, Floats], categories.Listed]:
    """See `categories.split`. Raises as that and as `lists`."""
    names = learner.get("feature_names") or [str(index) for index in range(xgboost_head.features(learner))]
    found = {place: values for place, values in enumerate(lists(learner)) if values}
    return categories.split(found, names, "XGBoost", texts=texts)


def lists(learner: dict[str, Any]) -> list[list[Any]]:
    """Of each feature, none where the file has none. Raises UnsupportedModel for too many, and ValueError, KeyError or
    TypeError for broken ones.
    """
    kept = forest(learner).get("cats") or {}
    if not len(kept.get("enc", ())):
        return []
    categories.check_count(sum(map(_count, kept["enc"])), "XGBoost")
    found = [_values(column) for column in kept["enc"]]
    _check(kept, [len(values) for values in found], xgboost_head.features(learner))
    return found


def _count(column: dict[str, Any]) -> int:
    return max(0, len(column["offsets"]) - 1) if "offsets" in column else len(column["values"])


def _values(column: dict[str, Any]) -> list[Any]:
    """Numbers as they are, text from its bytes and where each one begins."""
    if "offsets" not in column:
        return list(np.asarray(column["values"]).tolist())
    starts, raw = integers(column["offsets"]), np.asarray(column["values"], dtype=np.int64).astype(np.uint8).tobytes()
    if len(starts) and (starts[0] != 0 or starts[-1] != len(raw) or (np.diff(starts) < 0).any()):
        raise ValueError("categories that are text do not begin where the file says")
    return [raw[first:last].decode() for first, last in pairwise(starts)]


def _check(kept: dict[str, Any], sizes: list[int], features: int) -> None:
    total, segments = sum(sizes), integers(kept["feature_segments"])
    if len(sizes) != features or segments.tolist() != np.cumsum([0, *sizes]).tolist():
        raise ValueError("the lists of categories do not match the features")
    if len(kept["sorted_idx"]) != total:
        raise ValueError("the order of categories is not that of all of them")
    checks.check_range("a category's place", integers(kept["sorted_idx"]), max([1, *sizes]))
