"""Plain arrays from an XGBoost model file, JSON or UBJSON. Runs in templates; no XGBoost is needed.

Thresholds and leaf values are float32 in XGBoost, and so are its sums: the arrays predict in double precision what
XGBoost predicts in single. Where training stopped early, trees after the best round are left out. Does not read
gblinear, nor trees whose leaves hold vectors.
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jobs.errors import UnreadableModel, UnsupportedModel
from jobs.formats import ModelFormat, sniff_model
from shaptrees.arrays import LEAF, WORD_BITS, Floats, Link, Missing, Rule, Trees
from shaptrees.build import Part, assemble
from shaptrees.readers import xgboost_document
from shaptrees.readers.xgboost_head import LOGISTIC, SOFTMAX

FORMAT = "XGBoost"
MOST_CATEGORIES = 1 << 24
_EXP = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
Check = Callable[[dict[str, Any], int], None]


def from_xgboost(content: bytes) -> Trees:
    """The arrays of a saved model. Raises UnreadableModel for a broken file, UnsupportedModel for other boosters."""
    try:
        found = sniff_model(content)
        if not isinstance(found, ModelFormat):
            raise ValueError(found)  # noqa: TRY004 - not of XGBoost
        return from_learner(xgboost_document.parse(content, found))
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError, RecursionError) as fault:
        raise UnreadableModel(format=FORMAT, reason=f"{type(fault).__name__}: {fault}") from fault


def from_learner(learner: dict[str, Any], check: Check | None = None) -> Trees:
    """The arrays of a parsed model, a tree at a time: each is given to `check`, with its number, before it is read.

    Raises UnsupportedModel, UnreadableModel, and ValueError, KeyError or TypeError for a broken document.
    """
    booster = learner["gradient_booster"]
    name, weights = booster["name"], None
    if name == "dart":
        booster, weights = booster["gbtree"], booster["weight_drop"]
    elif name != "gbtree":
        raise UnsupportedModel(model=f"XGBoost's {name}", reason="it is not an ensemble of trees")
    model, parameters = booster["model"], learner["learner_model_param"]
    if weights is None and len(model.get("weight_drop", ())):  # since XGBoost 3.4 dropout belongs to plain trees
        weights = model["weight_drop"]
    count = _used(learner, model)
    outputs = max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), 1)
    objective = learner["objective"]["name"]
    return assemble(
        _parts(model["trees"], count, weights, check) if count else [_constant()],
        output=_ints(model["tree_info"])[:count] if count else 0,
        base=_base(parameters["base_score"], objective, outputs),
        features=int(parameters["num_feature"]),
        strict=True,
        float32=True,
        link=_link(objective),
    )


def _used(learner: dict[str, Any], model: dict[str, Any]) -> int:
    """How many trees, of those there are, belong to the rounds up to the best one."""
    best, total = learner.get("attributes", {}).get("best_iteration"), len(model["trees"])
    if best is None:
        return total
    if "iteration_indptr" in model:
        return int(model["iteration_indptr"][int(best) + 1])
    parallel = int(model["gbtree_model_param"].get("num_parallel_tree", 1))
    return min(total, max(1, parallel) * (int(max(_ints(model["tree_info"]))) + 1) * (int(best) + 1))


def _parts(forest: Any, count: int, weights: Any, check: Check | None) -> Iterator[Part]:
    for index in range(len(forest)):
        tree = forest[index]
        if check:
            check(tree, index)
        if index >= count:
            continue
        if _leaf_width(tree) > 1:
            raise UnsupportedModel(model="XGBoost", reason="its leaves hold vectors (multi_strategy=multi_output_tree)")
        part = _tree(tree)
        if weights is not None:
            part.values = part.values * np.float64(weights[index])
        yield part


def _leaf_width(tree: dict[str, Any]) -> int:
    return int(tree["tree_param"].get("size_leaf_vector", 1))


def _constant() -> Part:
    """A model without trees predicts its base."""
    zero = np.zeros(1)
    return Part(
        left=[LEAF], right=[LEAF], feature=zero, threshold=zero, missing=zero, cover=zero, values=zero.reshape(1, 1)
    )


def _link(objective: str) -> Link:
    if objective in LOGISTIC:
        return Link.LOGISTIC
    return Link.EXP if objective in _EXP else Link.SOFTMAX if objective in SOFTMAX else Link.IDENTITY


def _base(text: Any, objective: str, outputs: int) -> Floats:
    """Base scores as margins: the file holds one, or one an output, in units of the prediction."""
    scores = np.atleast_1d(np.asarray(json.loads(text) if isinstance(text, str) else text, dtype=np.float32))
    to_margin: Callable[[float], float] = float
    if objective in ("binary:logistic", "reg:logistic"):
        to_margin = _logit
    elif objective in _EXP:
        to_margin = math.log
    return np.broadcast_to([to_margin(float(score)) for score in scores], outputs).astype(np.float64)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _tree(tree: dict[str, Any]) -> Part:
    left, right = _ints(tree["left_children"]), _ints(tree["right_children"])
    condition = np.asarray(tree["split_conditions"], dtype=np.float32).astype(np.float64)
    member = (_ints(tree.get("split_type", np.zeros(len(left)))) == 1) & (left != LEAF)
    starts, words, sets = _sets(tree, member)
    leaf = left == LEAF
    return Part(
        left=left,
        right=right,
        feature=np.where(leaf, 0, _ints(tree["split_indices"])),
        threshold=np.where(leaf | member, 0.0, condition),
        missing=np.where(_ints(tree["default_left"]) != 0, Missing.LEFT, Missing.RIGHT),
        cover=np.asarray(tree["sum_hessian"], dtype=np.float32).astype(np.float64),
        values=np.where(leaf, condition, 0.0).reshape(-1, 1),
        rule=np.where(member, Rule.SET_GOES_RIGHT, Rule.THRESHOLD),
        set_start=starts,
        set_words=words,
        sets=sets,
    )


def _ints(numbers: Any) -> Any:
    return np.asarray(numbers).astype(np.int64)


def _sets(tree: dict[str, Any], member: Any) -> tuple[Any, Any, Any]:
    """For the splits on categories: first word, number of words, and all words. Categories in a set go right."""
    starts, words = np.zeros(len(member), dtype=np.int64), np.zeros(len(member), dtype=np.int64)
    sets: list[Any] = []
    used = 0
    if member.any():
        segments = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
        for node, first, size in segments:
            chosen = _ints(tree["categories"][first : first + size])
            if not 0 <= node < len(member) or not len(chosen) or chosen.min() < 0 or chosen.max() >= MOST_CATEGORIES:
                raise ValueError(f"categories of node {node}")
            bits = np.zeros((int(chosen.max()) // WORD_BITS + 1) * WORD_BITS, dtype=bool)
            bits[chosen] = True
            sets.append(np.packbits(bits, bitorder="little").view("<u4"))
            starts[node], words[node] = used, len(sets[-1])
            used += len(sets[-1])
    return starts, words, np.concatenate(sets) if sets else np.zeros(0)
