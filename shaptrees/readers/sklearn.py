"""Plain arrays from scikit-learn's fitted trees, forests and boosters.

Nothing of scikit-learn is imported: a model is known by the names of its class and bases. What it does not know, it
refuses: see `NAMES`. Checks what the arrays need (`Trees` does, every index of it), and not what scikit-learn's own
native code follows when it is asked to predict: a model in a hostile file is somebody else's to check before that.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from shaptrees.arrays import Floats, Trees
from shaptrees.build import Part, assemble
from shaptrees.ensemble import About, Ensemble
from shaptrees.errors import UnsupportedModel
from shaptrees.readers.categories import NOBODY
from shaptrees.readers.faults import reading
from shaptrees.readers.names import class_names
from shaptrees.rules import ALL_OUTPUTS, LEAF, Link, Missing, Rule

NAMES = (
    "DecisionTree, ExtraTree, RandomForest, ExtraTrees, GradientBoosting, HistGradientBoosting "
    "(Classifier and Regressor), IsolationForest"
)
BITSET_WORDS = 8


def convert(estimator: Any, *, texts: bool = False) -> Ensemble:
    """The trees of a fitted estimator, and what it says of itself.

    With `texts` rows hold codes for categories that are text (`About.texts`), which else are refused. Raises
    UnsupportedModel for other classes, UnreadableModel for one that is not fitted, or broken.
    """
    names = [base.__name__ for base in type(estimator).__mro__]
    known = next((name for name in _READERS if name in names), None)
    if not known:
        raise UnsupportedModel(names[0], f"{names[0]} is none of {NAMES}")
    with reading(f"scikit-learn {names[0]}"):
        named = _texts(estimator)
        if named and not texts:
            raise UnsupportedModel(names[0], "it has categories that are text")
        trees = _READERS[known](estimator)
        return Ensemble(about=replace(_about(estimator, trees), texts=named), trees=trees)


def _about(estimator: Any, trees: Trees) -> About:
    names = getattr(estimator, "feature_names_in_", None)
    outputs = _output_names(estimator, trees)
    return About(
        family="scikit-learn",
        name=type(estimator).__name__,
        n_features=trees.features,
        features=None if names is None else [str(name) for name in names],
        takes_missing=hasattr(estimator, "_predictors"),
        outputs=outputs,
        native=next(iter(outputs)),
    )


def _output_names(estimator: Any, trees: Trees) -> dict[str, list[str]]:
    """What the trees add up to comes first."""
    if hasattr(estimator, "classes_"):
        names = class_names(trees.outputs, estimator.classes_)
        if (trees.tree_output == ALL_OUTPUTS).all():
            return {"probability": names}
        return {"margin": names, "probability": names} if trees.link != Link.IDENTITY else {"margin": names}
    if trees.link == Link.EXP:
        return {"margin": ["margin"], "prediction": ["prediction"]}
    key = "path_length" if hasattr(estimator, "estimators_features_") else "prediction"
    return {key: [key] if trees.outputs == 1 else [str(index) for index in range(trees.outputs)]}


def _part(tree: Any, values: Floats, features: Any = None) -> Part:
    state = tree.__getstate__()["nodes"]
    feature = np.where(state["left_child"] == LEAF, 0, state["feature"])
    goes_left = state["missing_go_to_left"] if "missing_go_to_left" in state.dtype.names else 0
    return Part(
        left=state["left_child"],
        right=state["right_child"],
        feature=feature if features is None else np.asarray(features)[feature],
        threshold=np.where(state["left_child"] == LEAF, 0.0, state["threshold"]),
        missing=np.where(goes_left, Missing.LEFT, Missing.RIGHT),
        cover=state["weighted_n_node_samples"],
        values=values,
    )


def _single(model: Any) -> Trees:
    return _average(model, [model])


def _forest(model: Any) -> Trees:
    return _average(model, model.estimators_)


def _average(model: Any, estimators: Any) -> Trees:
    """Trees that vote: outputs are the mean of their leaves, class shares for a classifier."""
    if model.n_outputs_ != 1 and hasattr(model, "classes_"):
        raise UnsupportedModel(type(model).__name__, "it predicts several targets, each with its classes")
    binary = hasattr(model, "classes_") and len(model.classes_) == 2  # noqa: PLR2004 - two classes
    parts = []
    for estimator in estimators:
        values = estimator.tree_.value
        values = values[:, 0, :] if hasattr(model, "classes_") else values[:, :, 0]
        if hasattr(model, "classes_"):
            values = values / values.sum(axis=1, keepdims=True)
        parts.append(_part(estimator.tree_, (values[:, 1:] if binary else values) / len(estimators)))
    return assemble(
        parts,
        output=ALL_OUTPUTS,
        base=np.zeros(parts[0].values.shape[1]),
        features=model.n_features_in_,
        float32=True,
        complement=binary,
    )


def _gradient_boosting(model: Any) -> Trees:
    """Raw predictions start from the `init_` estimator, which must be a constant one. Exponential loss doubles the
    raw prediction before the logistic function, which is no link of ours.
    """
    outputs = model.estimators_.shape[1]
    parts = [_part(tree.tree_, tree.tree_.value[:, :, 0] * model.learning_rate) for tree in model.estimators_.ravel()]
    return assemble(
        parts,
        output=np.arange(len(parts)) % outputs,
        base=_boosting_base(model, outputs),
        features=model.n_features_in_,
        float32=True,
        link=_link(model, outputs),
    )


def _boosting_base(model: Any, outputs: int) -> Floats:
    if isinstance(model.init_, str) and model.init_ == "zero":
        return np.zeros(outputs)
    if not type(model.init_).__name__.startswith("Dummy"):
        raise UnsupportedModel(type(model).__name__, "it starts from another model's predictions (init)")
    nothing = np.zeros((1, model.n_features_in_), dtype=np.float32)
    return np.asarray(model._raw_predict_init(nothing), dtype=np.float64).reshape(outputs)


def _link(model: Any, outputs: int) -> Link:
    if not hasattr(model, "classes_"):
        log = getattr(model, "loss", "") in ("poisson", "gamma")
        return Link.EXP if log else Link.IDENTITY
    if getattr(model, "loss", "") == "exponential":
        return Link.IDENTITY
    return Link.LOGISTIC if outputs == 1 else Link.SOFTMAX


def _histogram_boosting(model: Any) -> Trees:
    order, texts = _column_order(model), _texts(model)
    lists = categories_of(model)
    known = {place: _as_numbers(values) for place, values in lists.items() if place not in texts}
    codes = {place: _codes(model, known.get(place, values)) for place, values in lists.items()}
    predictors = [predictor for iteration in model._predictors for predictor in iteration]
    outputs = model.n_trees_per_iteration_
    return assemble(
        [_histogram_part(predictor, codes, order) for predictor in predictors],
        output=np.arange(len(predictors)) % outputs,
        base=np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1),
        features=model.n_features_in_,
        link=_link(model, outputs),
        categories=known,
    )


def _column_order(model: Any) -> Any:
    """With categories, the model's preprocessor puts those columns first: which column each one was."""
    if not _reorders(model):
        return np.arange(model.n_features_in_)
    mask = np.asarray(model.is_categorical_, dtype=bool)
    return np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)])


def _reorders(model: Any) -> bool:
    """Whether it has a preprocessor, which there is since scikit-learn 1.4, where there are categories."""
    return hasattr(getattr(model, "_preprocessor", None), "named_transformers_")


def categories_of(model: Any) -> dict[int, list[Any]]:
    """Feature of a histogram booster → its categories but for a missing one; see `_codes` for the trees' sets."""
    if model.is_categorical_ is None:
        return {}
    places = np.flatnonzero(np.asarray(model.is_categorical_, dtype=bool)).tolist()
    if _reorders(model):
        found = model._preprocessor.named_transformers_["encoder"].categories_
    else:
        found = [model._bin_mapper.bin_thresholds_[place] for place in places]
    lists = (np.asarray(values).tolist() for values in found)
    return {
        place: [value for value in values if value is not None and value == value]  # noqa: PLR0124 - NaN is not
        for place, values in zip(places, lists, strict=True)
    }


def _texts(model: Any) -> dict[int, list[Any]]:
    lists = categories_of(model) if hasattr(model, "_predictors") else {}
    return {place: values for place, values in lists.items() if any(isinstance(value, str) for value in values)}


def _as_numbers(values: list[Any]) -> Floats:
    return np.asarray(values, dtype=np.float64) if values else NOBODY


def _codes(model: Any, categories: Any) -> Any:
    """What the trees' sets hold for each: its place in the list, and until scikit-learn 1.3 the category itself."""
    return np.arange(len(categories)) if _reorders(model) else np.asarray(categories, dtype=np.int64)


def _histogram_part(predictor: Any, codes: dict[int, Any], order: Any) -> Part:
    nodes = predictor.nodes
    leaf, member = nodes["is_leaf"].astype(bool), nodes["is_categorical"].astype(bool) & ~nodes["is_leaf"].astype(bool)
    feature = order[np.where(leaf, 0, nodes["feature_idx"])]
    missing_left = nodes["missing_go_to_left"].astype(bool)
    # A category that was not seen in training goes where missing values go. Sets hold what goes the other way.
    sets = np.zeros((len(nodes), BITSET_WORDS), dtype=np.uint32)
    for node in np.flatnonzero(member):
        left = _bits(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]])[codes[feature[node]]]
        sets[node] = _words(~left if missing_left[node] else left)
    return Part(
        left=np.where(leaf, LEAF, nodes["left"].astype(np.int64)),
        right=np.where(leaf, LEAF, nodes["right"].astype(np.int64)),
        feature=feature,
        threshold=np.where(leaf | member, 0.0, nodes["num_threshold"]),
        missing=np.where(missing_left, Missing.LEFT, Missing.RIGHT),
        cover=nodes["count"].astype(np.float64),
        values=nodes["value"].reshape(-1, 1),
        rule=np.where(member, np.where(missing_left, Rule.SET_GOES_RIGHT, Rule.SET_GOES_LEFT), Rule.THRESHOLD),
        set_start=np.where(member, np.arange(len(nodes)) * BITSET_WORDS, 0),
        set_words=np.where(member, BITSET_WORDS, 0),
        sets=sets.ravel() if member.any() else sets[:0].ravel(),
    )


def _bits(words: Any) -> Any:
    return np.unpackbits(np.ascontiguousarray(words).view(np.uint8), bitorder="little").astype(bool)


def _words(bits: Any) -> Any:
    padded = np.zeros(BITSET_WORDS * 32, dtype=bool)
    padded[: len(bits)] = bits
    return np.packbits(padded, bitorder="little").view(np.uint32)


def _isolation_forest(model: Any) -> Trees:
    """The path length, on average over the trees: what the anomaly score is a decreasing function of."""
    parts = []
    for estimator, features in zip(model.estimators_, model.estimators_features_, strict=True):
        state = estimator.tree_.__getstate__()["nodes"]
        left, right = state["left_child"], state["right_child"]
        depth = np.zeros(len(left))
        for node in np.flatnonzero(left != LEAF):
            depth[[left[node], right[node]]] = depth[node] + 1
        lengths = depth + average_path_length(state["n_node_samples"].astype(np.float64))
        parts.append(_part(estimator.tree_, lengths.reshape(-1, 1) / len(model.estimators_), features))
    return assemble(parts, output=ALL_OUTPUTS, base=np.zeros(1), features=model.n_features_in_, float32=True)


def average_path_length(rows: Floats) -> Floats:
    """Of an unsuccessful search in a tree over that many rows; Liu, Ting and Zhou, "Isolation Forest", equation 1."""
    many = np.maximum(rows, 3.0)
    length = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.where(rows <= 1, 0.0, np.where(rows == 2, 1.0, length))  # noqa: PLR2004


_READERS = {
    "IsolationForest": _isolation_forest,
    "BaseHistGradientBoosting": _histogram_boosting,
    "BaseGradientBoosting": _gradient_boosting,
    "ForestClassifier": _forest,
    "ForestRegressor": _forest,
    "BaseDecisionTree": _single,
}
