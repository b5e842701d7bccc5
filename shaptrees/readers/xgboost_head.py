"""XGBoost's models as they are written, JSON or UBJSON: what they say of themselves, and every index checked.

Boosters of trees (gbtree, dart) with scalar leaves, and gblinear. Used in templates, without XGBoost; the library is
in `xgboost_model`, the trees' arrays are made in `shaptrees.readers.xgboost`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from jobs.errors import UnreadableModel, UnsupportedModel
from shaptrees.ensemble import About
from shaptrees.readers import checks
from shaptrees.readers.names import class_names, given_names

LOGISTIC = ("binary:logistic", "binary:logitraw", "reg:logistic")
SOFTMAX = ("multi:softprob", "multi:softmax")
IDENTITY = ("reg:squarederror", "reg:linear", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror")
_OTHERS = (
    "reg:squaredlogerror",
    "reg:gamma",
    "reg:tweedie",
    "count:poisson",
    "binary:hinge",
    "rank:pairwise",
    "rank:ndcg",
    "rank:map",
    "survival:cox",
    "survival:aft",
)
KNOWN = (*LOGISTIC, *SOFTMAX, *IDENTITY, *_OTHERS)
"""Objectives whose starting value is known here; any other is XGBoost's own to read."""
NO_PARENT = (-1, 2**31 - 1)
_TREE_ARRAYS = ("right_children", "parents", "split_indices", "split_conditions", "default_left", "base_weights")
_NOT_A_MODEL = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError)


@contextmanager
def reading(found: str) -> Iterator[None]:
    """Whatever shows that it is no model of XGBoost becomes UnreadableModel."""
    try:
        yield
    except _NOT_A_MODEL as error:
        raise UnreadableModel(format=found, reason=reason_of(error)) from None


def about(learner: dict[str, Any]) -> About:
    """What a checked model says of itself. Raises UnsupportedModel for one without features."""
    parameters, objective = learner["learner_model_param"], str(learner["objective"]["name"])
    if int(parameters["num_feature"]) < 1:
        raise UnsupportedModel(model="XGBoost", reason="it has no features")
    names = output_names(objective, _groups(parameters))
    return About(
        family="xgboost",
        name=f"XGBoost ({objective})",
        n_features=int(parameters["num_feature"]),
        features=given_names(learner.get("feature_names")),
        takes_missing=True,
        outputs=names,
        native=next(iter(names)),
    )


def output_names(objective: str, count: int, classes: Any = None) -> dict[str, list[str]]:
    """What a model with this many outputs can be asked for; `classes` where a wrapper knows its labels."""
    if objective in LOGISTIC + SOFTMAX:
        names = class_names(count, classes)
        return {"margin": names, "probability": names}
    numbers = [str(index) for index in range(count)]
    if objective in IDENTITY:
        return {"prediction": ["prediction"] if count == 1 else numbers}
    return {
        "margin": ["margin"] if count == 1 else numbers,
        "prediction": ["prediction"] if count == 1 else numbers,
    }


def check(learner: dict[str, Any]) -> None:
    """Everything, for a file that XGBoost is to read. Raises ValueError, KeyError or TypeError where it must not."""
    check_head(learner)
    booster, n_features = learner["gradient_booster"], int(learner["learner_model_param"]["num_feature"])
    for index, tree in enumerate(booster.get("gbtree", booster)["model"].get("trees", ())):
        check_tree(tree, index, n_features)


def check_head(learner: dict[str, Any]) -> None:
    """All but the trees. Raises ValueError, KeyError or TypeError for a document that is no model."""
    parameters = learner["learner_model_param"]
    n_features = int(parameters["num_feature"])
    names = learner.get("feature_names") or []
    if names and len(names) != n_features:
        raise ValueError(f"{len(names)} feature names for {n_features} features")
    booster = learner["gradient_booster"]
    _check_booster(booster, n_features, _groups(parameters))
    best = learner.get("attributes", {}).get("best_iteration")
    total = len(booster.get("gbtree", booster)["model"].get("trees", ()))
    if best is not None and not 0 <= int(best) < max(1, total):
        raise ValueError(f"best_iteration is {best}")


def _groups(parameters: dict[str, Any]) -> int:
    return max(1, int(parameters["num_class"])) * max(1, int(parameters.get("num_target", 1)))


def _check_booster(booster: Any, n_features: int, groups: int) -> None:
    match booster["name"]:
        case "gblinear":
            if len(booster["model"]["weights"]) != (n_features + 1) * groups:
                raise ValueError("a wrong number of weights")
        case "dart":
            _check_booster(booster["gbtree"], n_features, groups)
            _check_weights(booster["weight_drop"], len(booster["gbtree"]["model"]["trees"]))
        case "gbtree":
            _check_forest(booster["model"], groups)
        case name:
            raise ValueError(f"a booster named {name!r}")


def _check_forest(model: Any, groups: int) -> None:
    if (model.get("cats") or {}).get("enc"):
        raise ValueError("categories as features are not supported")
    forest = model["trees"]
    declared = int(model["gbtree_model_param"]["num_trees"])
    if len(model.get("weight_drop", ())):
        _check_weights(model["weight_drop"], declared)
    if not len(forest) == len(model["tree_info"]) == declared:
        raise ValueError(f"{len(forest)} trees instead of {declared}")
    checks.check_range("a tree's output", _ints(model["tree_info"]), groups)
    starts = _ints(model.get("iteration_indptr", [0, declared]))
    if starts[0] != 0 or starts[-1] != declared or (np.diff(starts) < 0).any():
        raise ValueError("the rounds do not match the trees")


def _check_weights(weights: Any, count: int) -> None:
    """Those of dart, which XGBoost keeps beside the trees or, from 3.4 on, among them."""
    if len(weights) != count:
        raise ValueError(f"{len(weights)} tree weights for {count} trees")
    checks.check_finite("a tree weight", np.asarray(weights, np.float64))


def check_tree(tree: Any, index: int, n_features: int) -> None:
    """Raises ValueError, KeyError or TypeError for what is no tree."""
    try:
        _check_tree(tree, n_features)
    except ValueError as error:
        raise ValueError(f"tree {index}: {error}") from None


def _check_tree(tree: Any, n_features: int) -> None:
    left, right = _ints(tree["left_children"]), _ints(tree["right_children"])
    if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise ValueError("leaves that are vectors (multi_strategy=multi_output_tree) are not supported")
    if int(tree["tree_param"]["num_nodes"]) != len(left):
        raise ValueError(f"{len(left)} nodes instead of {tree['tree_param']['num_nodes']}")
    for name in (*_TREE_ARRAYS, "loss_changes", "sum_hessian"):
        if len(tree[name]) != len(left):
            raise ValueError(f"{len(tree[name])} {name} for {len(left)} nodes")
    if len(tree.get("categories", ())) or np.any(_ints(tree.get("split_type", [0]))):
        raise ValueError("splits on categories are not supported")
    checks.check_tree(left, right, _ints(tree["split_indices"]), n_features)
    _check_parents(_ints(tree["parents"]), left, right)
    for name in ("split_conditions", "base_weights", "sum_hessian"):
        checks.check_finite(f"a value in {name}", np.asarray(tree[name], np.float64))


def _check_parents(parents: checks.Ints, left: checks.Ints, right: checks.Ints) -> None:
    """XGBoost follows these as well, while it loads; the root and pruned nodes have none."""
    inner = np.flatnonzero(left != checks.LEAF)
    if parents[0] not in NO_PARENT or (parents[left[inner]] != inner).any() or (parents[right[inner]] != inner).any():
        raise checks.BadTree("parents that do not match the children")
    checks.check_range("a parent", parents[(parents != NO_PARENT[0]) & (parents != NO_PARENT[1])], len(parents))


def _ints(values: Any) -> checks.Ints:
    array = np.asarray(values)
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iub"):
        raise ValueError("a list of numbers that are not integers")
    return array.astype(np.int64)


def reason_of(error: Exception) -> str:
    """In a line, for the user."""
    if isinstance(error, KeyError):
        return f"it has no {error}"
    text = str(error).strip() or type(error).__name__
    return next((line for line in text.splitlines() if line.strip()), text)[:300]
