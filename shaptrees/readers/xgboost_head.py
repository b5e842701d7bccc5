"""What XGBoost's models say of themselves, but for their trees: checked, and what follows from it. See `xgboost`.

Boosters of trees (gbtree, dart). The shapes of gblinear are checked too, for XGBoost's own reading of it.
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from shaptrees.arrays import Floats
from shaptrees.ensemble import About
from shaptrees.errors import UnsupportedModel
from shaptrees.readers import checks
from shaptrees.readers.names import class_names, given_names
from shaptrees.readers.xgboost_document import forest
from shaptrees.rules import Link

LOGISTIC = ("binary:logistic", "binary:logitraw", "reg:logistic")
SOFTMAX = ("multi:softprob", "multi:softmax")
IDENTITY = ("reg:squarederror", "reg:linear", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror")
_EXP = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
_OTHERS = ("reg:squaredlogerror", "binary:hinge", "rank:pairwise", "rank:ndcg", "rank:map")
KNOWN = (*LOGISTIC, *SOFTMAX, *IDENTITY, *_EXP, *_OTHERS)
"""Objectives whose starting value is known here; any other is XGBoost's own to read."""


def outputs(learner: dict[str, Any]) -> int:
    """How many numbers the model gives for a row. Raises KeyError and ValueError."""
    parameters = learner["learner_model_param"]
    classes, targets = max(1, int(parameters["num_class"])), max(1, int(parameters.get("num_target", 1)))
    if classes > 1 and targets > 1:
        raise ValueError(f"{classes} classes of {targets} targets")
    return classes * targets


def features(learner: dict[str, Any]) -> int:
    """Raises KeyError and ValueError."""
    return int(learner["learner_model_param"]["num_feature"])


def objective(learner: dict[str, Any]) -> str:
    """Raises KeyError, and TypeError where it is no text."""
    name = learner["objective"]["name"]
    if not isinstance(name, str):
        raise TypeError("the objective's name is no text")
    return name


def about(learner: dict[str, Any]) -> About:
    """What a checked model says of itself. Raises UnsupportedModel for one without features."""
    if features(learner) < 1:
        raise UnsupportedModel("XGBoost", "it has no features")
    names = output_names(objective(learner), outputs(learner))
    return About(
        family="xgboost",
        name=f"XGBoost ({objective(learner)})",
        n_features=features(learner),
        features=given_names(learner.get("feature_names")),
        takes_missing=True,
        outputs=names,
        native=next(iter(names)),
        warnings=tuple(warnings(learner)),
    )


def warnings(learner: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is odd about a checked file but no error: see `About.warnings`."""
    if learner["gradient_booster"]["name"] == "gblinear":
        return
    model, best = forest(learner), learner.get("attributes", {}).get("best_iteration")
    if best is not None and "iteration_indptr" not in model and len(found := parallel_trees(learner)) > 1:
        yield (
            "parallel_trees_unknown",
            f"The file was saved by an XGBoost that does not write how many trees it grew in parallel. Explained are "
            f"the {int(best) + 1} trees up to best_iteration, as for num_parallel_tree=1; if it was "
            f"{' or '.join(map(str, found[1:]))}, values are wrong: save the booster again with XGBoost 1.4 or newer.",
        )
    if "c" in (learner.get("feature_types") or ()) and not len((model.get("cats") or {}).get("enc", ())):
        yield (
            "category_codes",
            "The file does not list the categories that its codes stand for (XGBoost does since 3.1, of data frames): "
            "columns of categories must hold their codes, 0, 1, 2, …, as the training data had them.",
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


def link(objective: str) -> Link:
    """How the prediction follows from the margin."""
    if objective in LOGISTIC:
        return Link.LOGISTIC
    return Link.EXP if objective in _EXP else Link.SOFTMAX if objective in SOFTMAX else Link.IDENTITY


def base(learner: dict[str, Any]) -> Floats:
    """(K,): base scores as margins; the file holds one, or one an output, in units of the prediction."""
    text = learner["learner_model_param"]["base_score"]
    scores = np.atleast_1d(np.asarray(json.loads(text) if isinstance(text, str) else text, dtype=np.float32))
    to_margin: Callable[[float], float] = float
    if objective(learner) in ("binary:logistic", "reg:logistic") or is_old_logitraw(learner):
        to_margin = _logit
    elif objective(learner) in _EXP:
        to_margin = math.log
    return np.broadcast_to([to_margin(float(score)) for score in scores], outputs(learner)).astype(np.float64)


def is_old_logitraw(learner: dict[str, Any]) -> bool:
    """Before 1.3 the base score of binary:logitraw was a probability; since then it is a margin."""
    return objective(learner) == "binary:logitraw" and () < learner["saved_by"] < (1, 3)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def check(learner: dict[str, Any]) -> None:
    """All but the trees. Raises ValueError, KeyError or TypeError for a document that is no model."""
    objective(learner)
    names = learner.get("feature_names") or []
    if names and len(names) != features(learner):
        raise ValueError(f"{len(names)} feature names for {features(learner)} features")
    _check_booster(learner["gradient_booster"], features(learner), outputs(learner))
    best = learner.get("attributes", {}).get("best_iteration")
    most = max(1, len(forest(learner)["trees"])) if learner["gradient_booster"]["name"] != "gblinear" else 2**31
    if best is not None and not 0 <= int(best) < most:
        raise ValueError(f"best_iteration is {best}")


def parallel_trees(learner: dict[str, Any]) -> list[int]:
    """How many trees a round may have for each output: one number where the file says it, or its list of trees does.

    XGBoost before 1.4 does not say it. Raises KeyError and ValueError.
    """
    model = forest(learner)
    if "num_parallel_tree" in model["gbtree_model_param"]:
        return [max(1, int(model["gbtree_model_param"]["num_parallel_tree"]))]
    groups = checks.integers(model["tree_info"])
    best, total, outputs_ = int(learner["attributes"]["best_iteration"]), len(groups), int(groups.max()) + 1
    if outputs_ > 1:
        return [int((groups != groups[0]).argmax())]  # the trees of one output stand together in a round
    return [count for count in range(1, total // (best + 1) + 1) if total % count == 0]


def _check_booster(booster: Any, n_features: int, groups: int) -> None:
    match booster["name"]:
        case "gblinear":
            if len(booster["model"]["weights"]) != (n_features + 1) * groups:
                raise ValueError("a wrong number of weights")
        case "dart" if booster["gbtree"]["name"] == "gbtree":
            _check_booster(booster["gbtree"], n_features, groups)
            _check_weights(booster["weight_drop"], len(booster["gbtree"]["model"]["trees"]))
        case "gbtree":
            _check_forest(booster["model"], groups)
        case name:
            raise ValueError(f"a booster named {name!r}")


def _check_forest(model: Any, groups: int) -> None:
    declared = int(model["gbtree_model_param"]["num_trees"])
    if len(model.get("weight_drop", ())):
        _check_weights(model["weight_drop"], declared)
    if not len(model["trees"]) == len(model["tree_info"]) == declared:
        raise ValueError(f"{len(model['trees'])} trees instead of {declared}")
    checks.check_range("a tree's output", checks.integers(model["tree_info"]), groups)
    starts = checks.integers(model.get("iteration_indptr", [0, declared]))
    if starts[0] != 0 or starts[-1] != declared or (np.diff(starts) < 0).any():
        raise ValueError("the rounds do not match the trees")


def _check_weights(weights: Any, count: int) -> None:
    """Those of dart, which XGBoost keeps beside the trees or, from 3.4 on, among them."""
    if len(weights) != count:
        raise ValueError(f"{len(weights)} tree weights for {count} trees")
    checks.check_finite("a tree weight", np.asarray(weights, np.float64))
