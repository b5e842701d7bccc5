"""Random LightGBM models, 2.3 to the newest: boosters, objectives, categories by number and by name, linear trees."""

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from crosscheck.author import shapley
from crosscheck.author.draw import Draw, Table
from crosscheck.author.specimen import Said, Specimen

VERSION = tuple(int(part) for part in lgb.__version__.split(".")[:2])
NUMBER = ("regression", "regression", "regression_l1", "huber", "fair", "quantile", "mape")
COUNTS = ("poisson", "gamma", "tweedie")
TWO = ("binary", "binary", "cross_entropy", "cross_entropy_lambda", "lambdarank")
THREE = ("multiclass", "multiclassova")
PROBABLE = ("binary", "cross_entropy", *THREE)
PREDICTION = (*NUMBER,)


def draw(dice: Draw) -> Specimen:
    objective = dice.pick(*NUMBER, *COUNTS, *TWO, *THREE)
    kind = dice.pick(
        "gbdt", "gbdt", "gbdt", "dart", "rf", "goss", "stopped", "linear_tree" if VERSION >= (3, 2) else "gbdt"
    )
    kind = "gbdt" if kind == "linear_tree" and objective == "regression_l1" else kind
    categories = dice.pick("", "", "numbers", "frame") if kind != "linear_tree" else ""
    table = dice.table(missing=kind != "linear_tree" and dice.chance(0.5), categories=bool(categories))
    if kind == "linear_tree" and dice.chance(0.7):
        table = table._replace(background=table.x[:8])
    frame = _Frame(dice, table, categories)
    parameters = _parameters(dice, kind, objective)
    booster = lgb.train(parameters, _data(dice, frame, table, objective), dice.whole(1, 12))
    if kind == "stopped" and booster.current_iteration() > 1:
        booster.best_iteration = dice.whole(1, booster.current_iteration())
    whole = dice.chance(0.3)
    count = -1 if whole else None
    said = _said(booster, frame, table, parameters, count)
    return Specimen(
        kind=f"{kind} {objective}" + (f" categories:{categories}" if categories else ""),
        library=f"lightgbm {lgb.__version__}",
        model=booster.model_to_string(num_iteration=count).encode(),
        rows=frame.sent(table.rows),
        said=said,
        background=None if table.background is None else frame.sent(table.background),
        expected=next(iter(said)) if kind != "linear_tree" and dice.chance(0.3) else "",
        names=table.names if frame.named else None,
        texts=frame.texts,
    )


class _Frame:
    """How rows are given to the library: as an array, or as a frame whose categories may be any numbers or texts."""

    def __init__(self, dice: Draw, table: Table, categories: str) -> None:
        self.table, self.categories = table, categories
        self.named = categories == "frame" or dice.chance(0.4)
        self.texts: dict[int, list[str]] = {}
        self.labels: dict[int, list[Any]] = {}
        for column in table.categorical if categories == "frame" else []:
            top = int(np.nanmax(table.x[:, column])) + 1
            if dice.chance(0.25):
                self.texts[column] = [f"c{dice.whole(0, 9)}{code}" for code in range(top)]
            self.labels[column] = self.texts.get(column) or [1 + 2 * code for code in range(top)]

    def own(self, rows: Any) -> Any:
        """As the library gets them."""
        if not self.named:
            return rows
        frame = pd.DataFrame(rows, columns=self.table.names)
        for column, labels in self.labels.items():
            codes = np.where(np.isnan(rows[:, column]), -1, np.minimum(rows[:, column], len(labels) - 1)).astype(int)
            frame[self.table.names[column]] = pd.Categorical.from_codes(codes, categories=sorted(labels))
        return frame

    def sent(self, rows: Any) -> Any:
        """As the service gets them: categories by what they are called, not by their place in the list."""
        sent = rows.copy()
        for column, labels in self.labels.items():
            ordered = sorted(labels)
            codes = np.where(np.isnan(rows[:, column]), 0, np.minimum(rows[:, column], len(labels) - 1)).astype(int)
            value = codes if column in self.texts else np.array(ordered)[codes]
            sent[:, column] = np.where(np.isnan(rows[:, column]), np.nan, value)
        self.texts = {column: sorted(texts) for column, texts in self.texts.items()}
        return sent

    @property
    def by_number(self) -> Any:
        return self.table.categorical if self.categories == "numbers" else "auto"


def _parameters(dice: Draw, kind: str, objective: str) -> dict[str, Any]:
    found: dict[str, Any] = {"objective": objective, "verbose": -1, "num_threads": 1, "seed": dice.whole(0, 9)}
    found |= {
        "min_data_in_leaf": dice.whole(1, 10),
        "num_leaves": dice.whole(2, 12),
        "learning_rate": dice.pick(0.05, 0.3),
    }
    if objective in THREE:
        found["num_class"] = 3
    if kind == "linear_tree":
        found["linear_tree"] = True
    elif kind in ("dart", "rf", "goss"):
        found["boosting"] = kind
    if kind == "rf" or dice.chance(0.2):
        found |= {"bagging_freq": 1, "bagging_fraction": 0.7, "feature_fraction": 0.8} if kind != "goss" else {}
    found |= dice.some(0.2, max_bin=(7, 63), lambda_l2=1.0, lambda_l1=0.1, extra_trees=True, min_gain_to_split=0.1)
    found |= dice.some(0.15, boost_from_average=False, use_missing=False, zero_as_missing=True, max_depth=3)
    found |= dice.some(0.2, cat_smooth=0.1, max_cat_to_onehot=(1, 20), min_data_per_group=1, path_smooth=1.0)
    if objective in ("binary", "multiclassova"):
        found |= dice.some(0.3, sigmoid=2.0, is_unbalance=True)
    if objective == "regression":
        found |= dice.some(0.1, reg_sqrt=True)
    return found


def _data(dice: Draw, frame: _Frame, table: Table, objective: str) -> lgb.Dataset:
    target = table.number if objective in NUMBER else table.positive if objective in COUNTS else table.two
    group = [len(table.x) // 4] * 4 if objective == "lambdarank" else None
    weights = None if group else table.weights
    scores = None
    if dice.chance(0.1) and objective not in THREE:
        scores = np.full(len(table.x), 0.4)
    return lgb.Dataset(
        frame.own(table.x),
        table.three if objective in THREE else target,
        weight=weights,
        group=group,
        init_score=scores,
        categorical_feature=frame.by_number,
    )


def _said(
    booster: lgb.Booster, frame: _Frame, table: Table, parameters: dict[str, Any], count: int | None
) -> dict[str, Said]:
    """LightGBM averages the trees of a forest in its predictions, not in its margins or contributions."""
    rounds = booster.best_iteration if count is None and booster.best_iteration > 0 else booster.current_iteration()
    scale = rounds if parameters.get("boosting") == "rf" else 1

    def ask(rows: Any, **how: Any) -> Any:
        return np.asarray(booster.predict(frame.own(rows), num_iteration=count, **how), dtype=np.float64)

    def margin(rows: Any) -> Any:
        return ask(rows, raw_score=True).reshape(len(rows), -1)

    def scaled(rows: Any) -> Any:
        return margin(rows) / scale

    key = "prediction" if parameters["objective"] in PREDICTION and "reg_sqrt" not in parameters else "margin"
    calls = {key: scaled}
    if key == "margin":
        other = "probability" if parameters["objective"] in PROBABLE else "prediction"
        calls[other] = lambda rows: ask(rows).reshape(len(rows), -1)
    said = shapley.said(calls, table)
    if table.background is None and "linear_tree" not in parameters:
        found = ask(table.rows, pred_contrib=True).reshape(len(table.rows), -1, table.rows.shape[1] + 1)
        said[key].values, said[key].base = np.moveaxis(found[..., :-1], 1, 2) / scale, found[0, :, -1] / scale
    return said
