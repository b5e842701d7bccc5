"""Random XGBoost models, 1.0 to the newest: boosters, objectives, parallel trees, early stopping, categories."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

from crosscheck.author import shapley
from crosscheck.author.draw import Draw, Table
from crosscheck.author.specimen import Said, Specimen

VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])
NUMBER = ("reg:squarederror", "reg:squarederror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror")
COUNTS = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft", "reg:squaredlogerror")
TWO = ("binary:logistic", "binary:logistic", "binary:logitraw", "reg:logistic", "binary:hinge", "rank:pairwise")
PROBABLE = ("binary:logistic", "binary:logitraw", "reg:logistic")
THREE = ("multi:softprob", "multi:softmax")
NOISE = 5e-7
"""Sums of single precision, of numbers of about one."""
SINCE = {
    "reg:pseudohubererror": (1, 1),
    "survival:aft": (1, 2),
    "reg:absoluteerror": (1, 7),
    "reg:quantileerror": (2, 0),
}
LOG_LINK = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
IDENTITY = NUMBER


def draw(dice: Draw) -> Specimen:
    objective = dice.pick(*(name for name in (*NUMBER, *COUNTS, *TWO, *THREE) if SINCE.get(name, (0, 0)) <= VERSION))
    kind = dice.pick("gbtree", "gbtree", "gbtree", "dart", "gblinear", "forest", "stopped")
    categories = VERSION >= (1, 6) and kind != "gblinear" and dice.chance(0.25)
    table = dice.table(missing=kind != "gblinear" and dice.chance(0.5), categories=categories)
    if kind == "gblinear" and dice.chance(0.7):
        table = table._replace(background=table.x[:8])
    parameters = _parameters(dice, kind, objective)
    booster = _trained(dice, kind, parameters, table, objective)
    said = _said(booster, table, objective, parameters)
    library = f"xgboost {xgb.__version__}"
    detail = " multi_output_tree" if parameters.get("multi_strategy") == "multi_output_tree" else ""
    detail += " categories" if categories else ""
    return Specimen(
        kind=f"{kind} {objective}{detail}",
        library=library,
        model=_saved(dice, booster),
        rows=table.rows,
        said=said,
        background=table.background,
        expected=next(iter(said)) if kind != "gblinear" and dice.chance(0.3) else "",
        noise=NOISE,
        names=table.names if booster.feature_names else None,
    )


def _parameters(dice: Draw, kind: str, objective: str) -> dict[str, Any]:
    found: dict[str, Any] = {"objective": objective, "nthread": 1, "seed": dice.whole(0, 9)}
    if objective in THREE:
        found["num_class"] = 3
    if objective == "reg:quantileerror":
        found["quantile_alpha"] = dice.pick(0.3, [0.1, 0.5, 0.9])
    if dice.chance(0.4):
        found["base_score"] = dice.pick(0.125, 0.5, 0.75)  # old files keep few digits
    if kind == "gblinear":
        return {**found, "booster": "gblinear", "updater": dice.pick("shotgun", "coord_descent"), "eta": 0.3}
    found |= {
        "max_depth": dice.whole(1, 6),
        "eta": dice.pick(0.05, 0.3, 1.0),
        "tree_method": dice.pick("exact", "hist"),
    }
    found |= dice.some(
        0.3, subsample=0.7, colsample_bytree=0.6, reg_lambda=(0.0, 5.0), gamma=0.1, min_child_weight=(0.1, 3)
    )
    found |= dice.some(0.15, grow_policy="lossguide", max_leaves=6, max_delta_step=0.5, reg_alpha=0.2)
    if kind == "dart":
        found |= {"booster": "dart", "rate_drop": dice.pick(0.1, 0.5), "normalize_type": dice.pick("tree", "forest")}
        found |= dice.some(0.3, one_drop=1, skip_drop=0.3, sample_type="weighted")
    if kind in ("forest", "stopped") and dice.chance(0.7):
        found |= {"num_parallel_tree": dice.whole(2, 5), "subsample": 0.6, "eta": dice.pick(1.0, 0.3)}
    if VERSION >= (2, 0) and objective in THREE and kind == "gbtree" and dice.chance(0.3):
        found |= {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
    return found


def _trained(dice: Draw, kind: str, parameters: dict[str, Any], table: Table, objective: str) -> xgb.Booster:
    if table.categorical:
        parameters["tree_method"] = "hist"
        parameters |= dice.some(0.5, max_cat_to_onehot=(1, 100))
    own = _matrix(table.x, table, named=dice.chance(0.5))
    _set_target(own, table, objective)
    rounds = 1 if kind == "forest" and dice.chance(0.5) else dice.whole(1, 12)
    if kind != "stopped" or objective.startswith(("survival", "rank")):
        return xgb.train(parameters, own, rounds)
    held = _matrix(table.x[::3], table, named=bool(own.feature_names))
    held.set_label(own.get_label()[::3] + dice.random.normal(size=len(table.x[::3])) * (objective in NUMBER))
    return xgb.train(
        parameters, own, 25, evals=[(held, "held")], early_stopping_rounds=dice.whole(1, 4), verbose_eval=False
    )


def _matrix(x: Any, table: Table, *, named: bool) -> xgb.DMatrix:
    how: dict[str, Any] = {"nthread": 1, "feature_names": table.names if named else None}
    if table.categorical:
        kinds = ["c" if column in table.categorical else "float" for column in range(x.shape[1])]
        how |= {"feature_types": kinds, "enable_categorical": True}
    return xgb.DMatrix(x, **how)


def _set_target(matrix: xgb.DMatrix, table: Table, objective: str) -> None:
    target = table.number if objective in NUMBER else table.positive if objective in COUNTS else table.two
    matrix.set_label(table.three if objective in THREE else table.counts if objective == "count:poisson" else target)
    if objective == "survival:aft":
        matrix.set_float_info("label_lower_bound", table.positive)
        matrix.set_float_info("label_upper_bound", table.positive)
    if objective == "rank:pairwise":
        matrix.set_group([len(table.x) // 4] * 4)
    elif table.weights is not None:
        matrix.set_weight(table.weights)


def _said(booster: xgb.Booster, table: Table, objective: str, parameters: dict[str, Any]) -> dict[str, Said]:
    used = _used_trees(booster)
    named = bool(booster.feature_names)

    def ask(rows: Any, **how: Any) -> Any:
        return np.asarray(booster.predict(_matrix(rows, table, named=named), **used, **how), dtype=np.float64)

    def margin(rows: Any) -> Any:
        return _columns(ask(rows, output_margin=True), rows)

    key = "prediction" if objective in IDENTITY else "margin"
    calls: dict[str, Callable[[Any], Any]] = {key: margin}
    if key == "margin":
        other = "probability" if objective in (*PROBABLE, *THREE) else "prediction"
        calls[other] = (
            _after_link(margin, objective) if other == "probability" else lambda rows: _columns(ask(rows), rows)
        )
    said = shapley.said(calls, table)
    if table.background is None and parameters.get("multi_strategy") != "multi_output_tree":
        found = ask(table.rows, pred_contribs=True).reshape(len(table.rows), -1, table.rows.shape[1] + 1)
        said[key].values, said[key].base = np.moveaxis(found[..., :-1], 1, 2), found[0, :, -1]
    return said


def _after_link(margin: Callable[[Any], Any], objective: str) -> Callable[[Any], Any]:
    """In double precision; XGBoost's own would be in single."""

    def probability(rows: Any) -> Any:
        powers = np.exp(margin(rows))
        return powers / powers.sum(axis=1, keepdims=True) if objective in THREE else powers / (1 + powers)

    return probability


def _columns(found: Any, rows: Any) -> Any:
    return found.reshape(len(rows), -1)


def _used_trees(booster: xgb.Booster) -> dict[str, Any]:
    """Up to the best round, as the wrappers of scikit-learn's kind predict."""
    best = booster.attr("best_iteration")
    if best is None or json.loads(booster.save_config())["learner"]["gradient_booster"]["name"] == "gblinear":
        return {}
    if VERSION < (1, 4):
        return {"ntree_limit": int(booster.attr("best_ntree_limit") or dict(vars(booster))["best_ntree_limit"])}
    return {"iteration_range": (0, int(best) + 1)}


def _saved(dice: Draw, booster: xgb.Booster) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / ("model.ubj" if VERSION >= (1, 6) and dice.chance(0.5) else "model.json")
        booster.save_model(str(path))
        return path.read_bytes()
