"""XGBoost's JSON and UBJSON models: every tree checked, then loaded by XGBoost with one thread. Used in templates.

Boosters of trees (gbtree, dart) with scalar leaves, and gblinear. Does not cover categorical splits.
"""

import json
from typing import Any

import numpy as np
import xgboost as xgb

from jobs.errors import UnreadableModel, UnsupportedModel
from jobs.formats import ModelFormat
from jobs.work import memory
from jobs.work.models import trees, ubjson
from jobs.work.models.model import Model, Output, Rows, as_columns, class_names, given_names

RELATIVE_ERROR = 2e-5
"""XGBoost adds up its trees in float32: at most 6e-8 of the sum of magnitudes a tree, so this covers 300 trees whose
errors all point one way, and far more trees in practice."""
_IDENTITY = ("reg:squarederror", "reg:linear", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror")
_LOGISTIC = ("binary:logistic", "binary:logitraw", "reg:logistic")
_SOFTMAX = ("multi:softprob", "multi:softmax")
NO_PARENT = (-1, 2**31 - 1)
_TREE_ARRAYS = ("right_children", "parents", "split_indices", "split_conditions", "default_left", "base_weights")


def load(raw: bytes, found: ModelFormat) -> Model:
    """Raises UnreadableModel and UnsupportedModel."""
    try:
        document = _parse(raw, found)
        _check(document)
        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(raw))
    except MemoryError:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        RecursionError,
        xgb.core.XGBoostError,
    ) as error:
        if memory.is_out_of_memory(error):
            raise
        raise UnreadableModel(format=found, reason=_reason(error)) from None
    return describe(booster)


def describe(booster: xgb.Booster, classes: Any = None) -> Model:
    """A loaded booster as a Model; `classes` where a wrapper knows its labels. Raises UnsupportedModel."""
    booster.set_param({"nthread": 1})
    if "c" in (booster.feature_types or []):
        raise UnsupportedModel(model="XGBoost", reason="it splits on categories, and shap's trees do not")
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    if booster.num_features() < 1:
        raise UnsupportedModel(model="XGBoost", reason="it has no features")
    return Model(
        family="xgboost",
        name=f"XGBoost ({objective})",
        estimator=booster,
        n_features=booster.num_features(),
        features=given_names(booster.feature_names),
        outputs=_outputs(booster, objective, classes),
        takes_missing=True,
        single_precision=True,
        relative_error=RELATIVE_ERROR,
    )


def matrix(booster: xgb.Booster, rows: Rows) -> xgb.DMatrix:
    """Rows as XGBoost wants them, with one thread."""
    return xgb.DMatrix(rows, nthread=1, feature_names=booster.feature_names, feature_types=booster.feature_types)


def rounds(booster: xgb.Booster) -> int:
    """The boosting rounds that shap explains: those up to the best one where training stopped early."""
    best = booster.attr("best_iteration")
    return booster.num_boosted_rounds() if best is None else int(best) + 1


def _outputs(booster: xgb.Booster, objective: str, classes: Any) -> dict[str, Output]:
    linear = json.loads(booster.save_config())["learner"]["gradient_booster"]["name"] == "gblinear"
    used = (0, 0) if linear else (0, rounds(booster))

    def margin(rows: Rows) -> Rows:
        return as_columns(booster.predict(matrix(booster, rows), output_margin=True, iteration_range=used))

    def prediction(rows: Rows) -> Rows:
        return as_columns(booster.predict(matrix(booster, rows), iteration_range=used))

    count = margin(np.zeros((1, booster.num_features()))).shape[1]
    if objective in _LOGISTIC + _SOFTMAX:
        from scipy.special import expit, softmax

        names = class_names(count, classes)
        squash = expit if objective in _LOGISTIC else lambda values: softmax(values, axis=1)
        return {
            "margin": Output(call=margin, names=names),
            "probability": Output(call=lambda rows: as_columns(squash(margin(rows))), names=names),
        }
    names = ["prediction"] if count == 1 else [str(index) for index in range(count)]
    if objective in _IDENTITY:
        return {"prediction": Output(call=margin, names=names)}
    return {
        "margin": Output(call=margin, names=["margin"] if count == 1 else names),
        "prediction": Output(call=prediction, names=names),
    }


def _parse(raw: bytes, found: ModelFormat) -> Any:
    if found is ModelFormat.XGBOOST_UBJ:
        return ubjson.decode(raw)
    return json.loads(raw, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):  # another parser might take the other one, which was not checked
        raise ValueError("a key twice in one object")
    return members


def _check(document: Any) -> None:
    """Raises ValueError, KeyError or TypeError for a document that XGBoost should not see."""
    learner = document["learner"]
    parameters = learner["learner_model_param"]
    n_features = int(parameters["num_feature"])
    groups = max(1, int(parameters["num_class"])) * max(1, int(parameters.get("num_target", 1)))
    names = learner.get("feature_names") or []
    if names and len(names) != n_features:
        raise ValueError(f"{len(names)} feature names for {n_features} features")
    _check_booster(learner["gradient_booster"], n_features, groups)
    best = learner.get("attributes", {}).get("best_iteration")
    booster = learner["gradient_booster"]
    total = len(booster.get("gbtree", booster)["model"].get("trees", ()))
    if best is not None and not 0 <= int(best) < max(1, total):
        raise ValueError(f"best_iteration is {best}")


def _check_booster(booster: Any, n_features: int, groups: int) -> None:
    match booster["name"]:
        case "gblinear":
            if len(booster["model"]["weights"]) != (n_features + 1) * groups:
                raise ValueError("a wrong number of weights")
        case "dart":
            _check_booster(booster["gbtree"], n_features, groups)
            _check_weights(booster["weight_drop"], len(booster["gbtree"]["model"]["trees"]))
        case "gbtree":
            _check_forest(booster["model"], n_features, groups)
        case name:
            raise ValueError(f"a booster named {name!r}")


def _check_forest(model: Any, n_features: int, groups: int) -> None:
    if (model.get("cats") or {}).get("enc"):
        raise ValueError("categories as features are not supported")
    forest = model["trees"]
    declared = int(model["gbtree_model_param"]["num_trees"])
    if len(model.get("weight_drop", ())):
        _check_weights(model["weight_drop"], declared)
    if not len(forest) == len(model["tree_info"]) == declared:
        raise ValueError(f"{len(forest)} trees instead of {declared}")
    trees.check_range("a tree's output", _ints(model["tree_info"]), groups)
    starts = _ints(model.get("iteration_indptr", [0, declared]))
    if starts[0] != 0 or starts[-1] != declared or (np.diff(starts) < 0).any():
        raise ValueError("the rounds do not match the trees")
    for index, tree in enumerate(forest):
        try:
            _check_tree(tree, n_features)
        except ValueError as error:
            raise ValueError(f"tree {index}: {error}") from None


def _check_weights(weights: Any, count: int) -> None:
    """Those of dart, which XGBoost keeps beside the trees or, from 3.4 on, among them."""
    if len(weights) != count:
        raise ValueError(f"{len(weights)} tree weights for {count} trees")
    trees.check_finite("a tree weight", np.asarray(weights, np.float64))


def _check_tree(tree: Any, n_features: int) -> None:
    left = _ints(tree["left_children"])
    if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise ValueError("leaves that are vectors (multi_strategy=multi_output_tree) are not supported")
    if int(tree["tree_param"]["num_nodes"]) != len(left):
        raise ValueError(f"{len(left)} nodes instead of {tree['tree_param']['num_nodes']}")
    for name in (*_TREE_ARRAYS, "loss_changes", "sum_hessian"):
        if len(tree[name]) != len(left):
            raise ValueError(f"{len(tree[name])} {name} for {len(left)} nodes")
    if len(tree.get("categories", ())) or np.any(_ints(tree.get("split_type", [0]))):
        raise ValueError("splits on categories are not supported")
    trees.check_tree(left, _ints(tree["right_children"]), _ints(tree["split_indices"]), n_features)
    _check_parents(_ints(tree["parents"]), left, _ints(tree["right_children"]))
    for name in ("split_conditions", "base_weights", "sum_hessian"):
        trees.check_finite(f"a value in {name}", np.asarray(tree[name], np.float64))


def _check_parents(parents: trees.Ints, left: trees.Ints, right: trees.Ints) -> None:
    """XGBoost follows these as well, while it loads; the root and pruned nodes have none."""
    inner = np.flatnonzero(left != trees.LEAF)
    if parents[0] not in NO_PARENT or (parents[left[inner]] != inner).any() or (parents[right[inner]] != inner).any():
        raise trees.BadTree("parents that do not match the children")
    trees.check_range("a parent", parents[~np.isin(parents, NO_PARENT)], len(parents))


def _ints(values: Any) -> trees.Ints:
    array = np.asarray(values)
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iub"):
        raise ValueError("a list of numbers that are not integers")
    return array.astype(np.int64)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    text = str(error).strip() or type(error).__name__
    return next((line for line in text.splitlines() if line.strip()), text)[:300]
