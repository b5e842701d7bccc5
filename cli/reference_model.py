"""A small model whose SHAP values follow from their definition: what `verify` submits. Pure, no numbers library.

Two trees over three features, as an XGBoost file. Thresholds, leaves and covers are short binary fractions, exact in
the 32 bits of that format; what is left between engines is the rounding of their own sums, about 1e-7.
"""

import itertools
import json
import math
from typing import Any, NamedTuple

BASE_SCORE = 0.5
FEATURES = ("age", "height", "weight")
ROWS: tuple[tuple[float | None, ...], ...] = (
    (0.0, 0.0, 0.0),
    (1.0, 0.25, -2.0),
    (0.5, 3.0, 1.0),
    (-4.0, 1.0, 8.0),
    (2.0, -1.0, 0.75),
    (None, 2.0, 0.5),
    (0.25, 0.5, -0.5),
)
"""None is a missing value."""


class Leaf(NamedTuple):
    """Its value, and how many training rows fell into it."""

    value: float
    cover: float


class Split(NamedTuple):
    """Rows whose feature is below the threshold go left; so do missing values where `missing_left`."""

    feature: int
    threshold: float
    missing_left: bool
    left: "Node"
    right: "Node"


Node = Leaf | Split
TREES: tuple[Node, ...] = (
    Split(
        0,
        0.5,
        True,
        Split(1, 0.25, False, Leaf(-1.0, 4), Leaf(2.0, 2)),
        Split(2, 0.0, True, Leaf(0.5, 1), Leaf(4.0, 1)),
    ),
    Split(2, 1.0, False, Leaf(0.25, 6), Split(0, 1.0, True, Leaf(-3.0, 1), Leaf(1.5, 1))),
)


def model_file() -> bytes:
    """The model as XGBoost's JSON."""
    trees = [_tree(number, root) for number, root in enumerate(TREES)]
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
        "iteration_indptr": list(range(len(trees) + 1)),
        "tree_info": [0] * len(trees),
        "trees": trees,
    }
    learner = {
        "attributes": {},
        "feature_names": list(FEATURES),
        "feature_types": ["float"] * len(FEATURES),
        "gradient_booster": {"model": model, "name": "gbtree"},
        "learner_model_param": {
            "base_score": str(BASE_SCORE),
            "boost_from_average": "1",
            "num_class": "0",
            "num_feature": str(len(FEATURES)),
            "num_target": "1",
        },
        "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
    }
    return json.dumps({"learner": learner, "version": [2, 1, 0]}).encode()


def rows_file() -> bytes:
    """The rows as CSV, the columns in another order than the model's."""
    order = tuple(reversed(range(len(FEATURES))))
    lines = [[FEATURES[column] for column in order]]
    lines += [["" if row[column] is None else repr(row[column]) for column in order] for row in ROWS]
    return "\n".join(",".join(line) for line in lines).encode()


def base_value() -> float:
    """What the model expects when it knows nothing of a row."""
    return BASE_SCORE + sum(_expected(root, ROWS[0], frozenset()) for root in TREES)


def values() -> list[list[float]]:
    """SHAP values by their definition: for each row one number a feature, in the order of the model."""
    everyone = range(len(FEATURES))
    return [[sum(_value(root, row, feature) for root in TREES) for feature in everyone] for row in ROWS]


def _value(root: Node, row: tuple[float | None, ...], feature: int) -> float:
    """The mean gain from knowing `feature`, over all orders in which features may become known."""
    others = [other for other in range(len(FEATURES)) if other != feature]
    total = 0.0
    for size in range(len(others) + 1):
        weight = math.factorial(size) * math.factorial(len(others) - size) / math.factorial(len(FEATURES))
        for known in map(frozenset, itertools.combinations(others, size)):
            total += weight * (_expected(root, row, known | {feature}) - _expected(root, row, known))
    return total


def _expected(node: Node, row: tuple[float | None, ...], known: frozenset[int]) -> float:
    """The mean of the leaves that a row may reach, weighted by cover where its feature is not known."""
    if isinstance(node, Leaf):
        return node.value
    if node.feature in known:
        return _expected(_next(node, row[node.feature]), row, known)
    left, right = _cover(node.left), _cover(node.right)
    return (left * _expected(node.left, row, known) + right * _expected(node.right, row, known)) / (left + right)


def _next(split: Split, value: float | None) -> Node:
    goes_left = split.missing_left if value is None else value < split.threshold
    return split.left if goes_left else split.right


def _cover(node: Node) -> float:
    return node.cover if isinstance(node, Leaf) else _cover(node.left) + _cover(node.right)


NO_PARENT = 2**31 - 1


def _tree(number: int, root: Node) -> dict[str, Any]:
    """XGBoost's arrays, breadth first."""
    nodes, parents, left_children, right_children = [root], [NO_PARENT], [], []
    for place, node in enumerate(nodes):  # grows while it is read
        if isinstance(node, Leaf):
            left_children.append(-1)
            right_children.append(-1)
            continue
        left_children.append(len(nodes))
        right_children.append(len(nodes) + 1)
        nodes += [node.left, node.right]
        parents += [place, place]
    splits = [node if isinstance(node, Split) else None for node in nodes]
    weights = [node.value if isinstance(node, Leaf) else 0.0 for node in nodes]
    return {
        "base_weights": weights,
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": [int(split.missing_left) if split else 0 for split in splits],
        "id": number,
        "left_children": left_children,
        "loss_changes": [0.0] * len(nodes),
        "parents": parents,
        "right_children": right_children,
        "split_conditions": [
            split.threshold if split else weight for split, weight in zip(splits, weights, strict=True)
        ],
        "split_indices": [split.feature if split else 0 for split in splits],
        "split_type": [0] * len(nodes),
        "sum_hessian": [float(_cover(node)) for node in nodes],
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(len(FEATURES)),
            "num_nodes": str(len(nodes)),
            "size_leaf_vector": "1",
        },
    }
