"""Trees as plain dictionaries of arrays, or objects with such attributes: shap's own format, for models of any origin.

`{"trees": [...]}` or a list of trees; beside it `base_offset`, `input_dtype`, `tree_output` and `objective` count. A
tree has `children_left`, `children_right` and `children_default` (below zero at leaves), `features`, `thresholds`
(x <= threshold goes left), `values` (one or more a node) and `node_sample_weight`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shaptrees.arrays import Trees
from shaptrees.build import Part, assemble
from shaptrees.errors import UnreadableModel
from shaptrees.fitted import Fitted
from shaptrees.rules import ALL_OUTPUTS, LEAF, Link, Missing

FORMAT = "dictionary of trees"
_SINGULAR = {"features": "feature", "thresholds": "threshold", "values": "value"}
_LOSSES = {"squared_error": "squared_error", "binary_crossentropy": "cross_entropy"}


def takes(model: Any) -> bool:
    if isinstance(model, dict):
        return "trees" in model
    return isinstance(model, list) and bool(model) and _has(model[0], "children_left")


def fitted(model: Any, features: int | None = None) -> Fitted:
    """Of F features, where that is known: rows may have more columns where it is not."""
    whole = model if isinstance(model, dict) else {"trees": model}
    try:
        trees = _trees(whole, features)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as fault:
        raise UnreadableModel(FORMAT, f"{type(fault).__name__}: {fault}") from fault
    return Fitted(
        trees=trees,
        loss=_LOSSES.get(whole.get("objective", "")),
        chances=whole.get("tree_output") == "probability",
        open=features is None,
    )


def _trees(whole: dict[str, Any], features: int | None) -> Trees:
    parts = [_part(tree) for tree in whole["trees"]]
    widths = {part.values.shape[1] for part in parts}
    if len(widths) != 1:
        raise ValueError("all trees must have the same number of values a leaf, and there must be a tree")
    base = np.asarray(whole.get("base_offset", 0.0), dtype=np.float64).ravel()
    return assemble(
        parts,
        output=ALL_OUTPUTS,
        base=np.broadcast_to(base, widths.pop()).copy(),
        features=features or max(1, *(int(np.max(part.feature)) + 1 for part in parts)),
        float32=np.dtype(whole.get("input_dtype", np.float64)) == np.float32,
        link=Link.LOGISTIC if whole.get("tree_output") == "log_odds" else Link.IDENTITY,
    )


def _has(tree: Any, name: str) -> bool:
    return name in tree if isinstance(tree, dict) else hasattr(tree, name)


def _of(tree: Any, name: str) -> NDArray[Any]:
    name = name if _has(tree, name) else _SINGULAR.get(name, name)
    return np.asarray(tree[name] if isinstance(tree, dict) else getattr(tree, name))


def _part(tree: Any) -> Part:
    """In an order that has children after their parents, and without nodes that nothing leads to."""
    left, right, default = (_of(tree, f"children_{side}").astype(np.int64) for side in ("left", "right", "default"))
    if _has(tree, "threshold_types") and (_of(tree, "threshold_types")[left >= 0] > 0).any():
        raise ValueError("a split on categories")
    order = _order(left, right)
    place = np.full(len(left), LEAF)
    place[order] = np.arange(len(order))
    leaf = left[order] < 0
    values = _of(tree, "values").astype(np.float64)
    return Part(
        left=np.where(leaf, LEAF, place[left[order]]),
        right=np.where(leaf, LEAF, place[right[order]]),
        feature=np.where(leaf, 0, _of(tree, "features")[order]),
        threshold=np.where(leaf, 0.0, _of(tree, "thresholds")[order]),
        missing=np.where(default[order] == left[order], Missing.LEFT, Missing.RIGHT),
        cover=_of(tree, "node_sample_weight")[order].astype(np.float64),
        values=values.reshape(len(left), -1)[order],
    )


def _order(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Nodes level by level. Raises ValueError for a circle."""
    found, level = [], np.zeros(1, dtype=np.int64)
    while len(level):
        found.append(level)
        if sum(map(len, found)) > len(left):
            raise ValueError("a node has two parents")
        split = level[left[level] >= 0]
        level = np.concatenate([left[split], right[split]])
    return np.concatenate(found)
