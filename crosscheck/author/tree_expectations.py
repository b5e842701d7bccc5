"""What a tree gives on average when only some features are known: by its own covers, as path-dependent values mean it.

Plain recursion over scikit-learn's own arrays, for all coalitions and rows at once. Knows nothing of the engine that it
is compared with.
"""

from typing import Any

import numpy as np
from sklearn.ensemble._iforest import _average_path_length

from crosscheck.author import shapley

WORD_BITS = 32


def of_tree(tree: Any, leaf_values: Any, rows: Any, known: Any) -> Any:
    """(coalitions, rows, outputs) of a `tree_`; `leaf_values` is (nodes, outputs)."""
    single = rows.astype(np.float32).astype(np.float64)  # as scikit-learn compares
    missing = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count, dtype=bool))

    def worth(node: int) -> Any:
        left, right = tree.children_left[node], tree.children_right[node]
        if left == right:
            return np.broadcast_to(leaf_values[node], (len(known), len(rows), leaf_values.shape[1]))
        column = single[:, tree.feature[node]]
        goes = np.where(np.isnan(column), missing[node], column <= tree.threshold[node]).astype(bool)
        share = tree.weighted_n_node_samples[left] / tree.weighted_n_node_samples[node]
        return _split(known[:, tree.feature[node]], goes, share, worth(left), worth(right))

    return worth(0)


def of_predictor(predictor: Any, rows: Any, known: Any) -> Any:
    """The same of histogram boosting, whose rows come as it has preprocessed them."""
    nodes, sets = predictor.nodes, predictor.raw_left_cat_bitsets

    def worth(number: int) -> Any:
        node = nodes[number]
        if node["is_leaf"]:
            return np.full((len(known), len(rows), 1), node["value"])
        column = rows[:, node["feature_idx"]]
        goes = (
            _is_member(sets[node["bitset_idx"]], column) if node["is_categorical"] else column <= node["num_threshold"]
        )
        goes = np.where(np.isnan(column), bool(node["missing_go_to_left"]), goes)
        share = nodes[node["left"]]["count"] / node["count"]
        return _split(known[:, node["feature_idx"]], goes, share, worth(node["left"]), worth(node["right"]))

    return worth(0)


def _split(is_known: Any, goes: Any, share: float, left: Any, right: Any) -> Any:
    followed = np.where(goes[None, :, None], left, right)
    return np.where(is_known[:, None, None], followed, share * left + (1 - share) * right)


def _is_member(words: Any, column: Any) -> Any:
    code = np.where(np.isnan(column) | (column < 0) | (column >= WORD_BITS * len(words)), 0, column).astype(int)
    inside = (words[code // WORD_BITS] >> (code % WORD_BITS).astype(np.uint32)) & 1
    return (inside == 1) & (column >= 0) & (column < WORD_BITS * len(words))


def leaves_of(estimator: Any) -> Any:
    """(nodes, outputs): a classifier's shares of its classes, a regressor's targets."""
    values = estimator.tree_.value
    if hasattr(estimator, "classes_"):
        return values[:, 0] / values[:, 0].sum(axis=1, keepdims=True)
    return values[:, :, 0]


def path_lengths(tree: Any) -> Any:
    """(nodes, 1): how deep a leaf of an isolation tree lies, and how much deeper its rows would go."""
    depths = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # children come after their parent
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depths[child] = depths[node] + 1
    return (depths + _average_path_length(tree.n_node_samples))[:, None]


def explained(worth: Any, known: Any, base: Any = 0.0) -> tuple[Any, Any]:
    """Values and base value of what the coalitions are worth, added to a constant."""
    return shapley.values(worth, known), worth[0, 0] + base
