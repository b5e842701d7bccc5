"""What a fitted model tells of its columns: cells that it was trained on or splits at, to draw rows from.

Does not cover everything that a pipeline may refuse: rows that are drawn are tried, see `rows`.
"""

from __future__ import annotations

import json
import re
from typing import Any

MOST = 500
"""Cells of a column; thresholds come by the thousand."""
_INNER = (
    "_preprocessor",
    "regressor_",
    "best_estimator_",
    "estimator_",
    "estimator",
    "base_estimator",
    "final_estimator_",
)
_SPLIT = re.compile(r'"split":\s*"?([^",]+)"?,.*?"split_condition":\s*(\[[^\]]*\]|[-+.\deE]+)')


def cells(model: Any, count: int, names: Any) -> dict[int, list[Any]]:
    """Column → what may stand in it; a column that is not named there holds any number."""
    found: dict[int, list[Any]] = {}
    root = type(model).__module__.split(".")[0]
    if root == "xgboost" and hasattr(model, "get_dump"):
        _of_xgboost(model, names, found)
    elif root == "lightgbm" and hasattr(model, "dump_model"):
        for tree in model.dump_model()["tree_info"]:
            _of_lightgbm(tree["tree_structure"], found)
    elif root == "catboost":
        _of_catboost(model, found)
    else:
        _learn(model, list(range(count)), names, found)
    return {column: values[:MOST] for column, values in found.items()}


def _of_xgboost(model: Any, names: Any, found: dict[int, list[Any]]) -> None:
    places = {name: place for place, name in enumerate(names or ())}
    for tree in model.get_dump(dump_format="json"):
        for name, condition in _SPLIT.findall(tree):
            place = places.get(name, int(name[1:]) if re.fullmatch(r"f\d+", name) else None)
            if place is not None:
                known = json.loads(condition)
                found.setdefault(place, []).extend(
                    known if isinstance(known, list) else [known, known - 1e-3 * abs(known)]
                )


def _of_lightgbm(node: dict[str, Any], found: dict[int, list[Any]]) -> None:
    if "split_feature" not in node:
        return
    threshold = node["threshold"]
    known = [int(one) for one in threshold.split("||")] if isinstance(threshold, str) else [threshold, threshold + 1e-3]
    found.setdefault(node["split_feature"], []).extend(known)
    _of_lightgbm(node["left_child"], found)
    _of_lightgbm(node["right_child"], found)


def _of_catboost(model: Any, found: dict[int, list[Any]]) -> None:
    """CatBoost counts the borders by the place among all features; of text and categories it keeps no list."""
    for place, borders in (model.get_borders() if hasattr(model, "get_borders") else {}).items():
        found[int(place)] = [cell for border in borders for cell in (border, border + 1e-3)]
    for place in model.get_cat_feature_indices():
        found[place] = ["a", "b", "0", "1", "2"]
    for place in model.get_text_feature_indices():
        found[place] = ["a b", "the a", "of"]


def _learn(part: Any, columns: list[int], names: Any, found: dict[int, list[Any]]) -> None:
    """Of scikit-learn's: what `part` was fitted on stands in `columns` of the table."""
    if hasattr(part, "steps"):
        for _, step in part.steps:
            _learn(step, columns, names, found)
            if getattr(step, "transform", None) and not _is_one_to_one(step, len(columns)):
                return
    elif hasattr(part, "transformers_"):
        for _, inner, chosen in part.transformers_:
            _learn(inner, _places(chosen, columns, names), None, found)
    else:
        for column, known in zip(columns, _by_column(part, len(columns))):
            found[column] = found.get(column, []) + known if not _is_text(known) else known
        for inner in _within(part, len(columns)):
            _learn(inner, columns, names, found)


def _is_one_to_one(step: Any, count: int) -> bool:
    """Whether the next step sees the same cells, but for the missing ones."""
    statistics = getattr(step, "statistics_", None)
    return statistics is not None and len(statistics) == count


def _places(chosen: Any, columns: list[int], names: Any) -> list[int]:
    """Of a transformer's columns, as it keeps them: names, places, a slice or a mask."""
    if isinstance(chosen, slice):
        return columns[chosen]
    listed = [chosen] if isinstance(chosen, str) else list(chosen)
    if listed and all(isinstance(one, str) for one in listed):
        return [columns[list(names).index(one)] for one in listed if names is not None and one in list(names)]
    if listed and all(str(one) in ("True", "False") for one in listed):
        return [column for column, taken in zip(columns, listed) if taken]
    return [columns[int(place)] for place in listed]


def _by_column(part: Any, count: int) -> list[list[Any]]:
    """What an estimator keeps of each of its columns."""
    known: list[list[Any]] = [[] for _ in range(count)]
    if getattr(part, "vocabulary_", None):
        words = list(part.vocabulary_)[:MOST]
        return [[" ".join(words[at : at + 3]) for at in range(0, len(words), 2)]] * count
    for name in ("categories_", "bin_edges_", "quantiles_"):
        lists = getattr(part, name, None)
        if lists is not None and len(lists) == count:
            known = [list(values) for values in lists]
    for name in ("statistics_", "mean_", "center_", "data_min_", "data_max_"):
        values = getattr(part, name, None)
        if values is not None and len(values) == count:
            wide = getattr(part, "scale_", None)
            wide = [1.0] * count if wide is None or len(wide) != count else list(wide)
            for column, value in enumerate(values):
                known[column] += (
                    [value] if isinstance(value, str) else [value, value - wide[column], value + wide[column]]
                )
    for place, threshold in _thresholds(part):
        known[place].extend((threshold, threshold + 1e-3)) if place < count else None
    return known


def _thresholds(part: Any) -> list[tuple[int, float]]:
    if hasattr(part, "tree_"):
        tree = part.tree_
        return [(int(place), float(at)) for place, at in zip(tree.feature, tree.threshold) if place >= 0]
    predictors = [tree for members in getattr(part, "_predictors", ()) for tree in members]
    inner = [node for tree in predictors for node in tree.nodes if not node["is_leaf"] and not node["is_categorical"]]
    return [(int(node["feature_idx"]), float(node["num_threshold"])) for node in inner]


def _within(part: Any, count: int) -> list[Any]:
    """The fitted estimators that see the same columns."""
    listed = [getattr(part, name, None) for name in _INNER]
    for name in ("estimators_", "calibrated_classifiers_", "transformer_list"):
        inner = getattr(part, name, None)
        if inner is not None:
            listed += [
                one[1] if isinstance(one, tuple) else one
                for one in (inner.ravel() if hasattr(inner, "ravel") else inner)
            ]
    return [one for one in listed if getattr(one, "n_features_in_", None) == count or hasattr(one, "calibrators")]


def _is_text(known: list[Any]) -> bool:
    return bool(known) and isinstance(known[0], str)
