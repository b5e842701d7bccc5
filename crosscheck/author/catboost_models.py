"""Random CatBoost models: losses, ways to grow, several outputs, sums of models, constraints, borders."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import numpy as np

from crosscheck.author import shapley
from crosscheck.author.draw import Draw, Table
from crosscheck.author.specimen import Said, Specimen

NUMBER = ("RMSE", "RMSE", "MAE", "Quantile:alpha=0.3", "LogCosh", "Huber:delta=1", "RMSEWithUncertainty", "MultiRMSE")
COUNTS = ("Poisson", "Tweedie:variance_power=1.5")
CLASSES = ("Logloss", "Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll")


def draw(dice: Draw) -> Specimen:
    loss = dice.pick(*NUMBER, *COUNTS, *CLASSES)
    table = dice.table(missing=dice.chance(0.4), categories=dice.chance(0.1))
    parameters = _parameters(dice, loss, table)
    if parameters["grow_policy"] != "SymmetricTree" and dice.chance(0.7):
        table = table._replace(background=table.x[:8])
    model = catboost.CatBoost(parameters).fit(_pool(table.x, table, _target(table, loss)))
    kind = parameters["grow_policy"]
    if dice.chance(0.1) and not table.categorical:
        other = catboost.CatBoost({**parameters, "random_seed": 77}).fit(_pool(table.x, table, _target(table, loss)))
        model, kind = catboost.sum_models([model, other], weights=[1.0, dice.pick(0.5, 1.0)]), f"{kind} sum_models"
    kind += " monotone" if "monotone_constraints" in parameters else ""
    said = _said(model, table, loss)
    sure = table.background is None and kind == "SymmetricTree" and loss != "RMSEWithUncertainty"
    return Specimen(
        kind=f"{kind} {loss.partition(':')[0]}" + (" categories" if table.categorical else ""),
        library=f"catboost {catboost.__version__}",
        model=_saved(model),
        rows=table.rows,
        said=said,
        background=table.background,
        expected=next(iter(said)) if sure and dice.chance(0.5) else "",
    )


def _parameters(dice: Draw, loss: str, table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {
        "loss_function": loss,
        "iterations": dice.whole(1, 10),
        "thread_count": 1,
        "logging_level": "Silent",
    }
    found |= {"depth": dice.whole(1, 5), "learning_rate": dice.pick(0.1, 0.5), "allow_writing_files": False}
    found |= {
        "random_seed": dice.whole(0, 9),
        "grow_policy": dice.pick("SymmetricTree", "SymmetricTree", "Depthwise", "Lossguide"),
    }
    if found["grow_policy"] == "Lossguide":
        found["max_leaves"] = dice.whole(2, 8)
    found |= dice.some(0.2, l2_leaf_reg=1.0, border_count=(4, 32), boost_from_average=False, random_strength=0.0)
    found |= dice.some(0.2, model_shrink_rate=0.05, leaf_estimation_iterations=2, bootstrap_type="Bernoulli")
    if loss == "RMSE" and found["grow_policy"] == "SymmetricTree" and dice.chance(0.2) and not table.categorical:
        found["monotone_constraints"] = [1] + [0] * (table.x.shape[1] - 1)
    return found


def _target(table: Table, loss: str) -> Any:
    if loss == "MultiRMSE":
        return np.c_[table.number, table.positive]
    if loss in NUMBER:
        return table.number
    return table.positive if loss in COUNTS else table.three if loss.startswith("MultiClass") else table.two


def _pool(x: Any, table: Table, target: Any = None) -> catboost.Pool:
    weights = table.weights if target is not None else None
    if not table.categorical:
        return catboost.Pool(x, target, weight=weights)
    rows: Any = x.astype(object)
    for column in table.categorical:
        rows[:, column] = ["?" if np.isnan(value) else str(int(value)) for value in x[:, column]]
    return catboost.Pool(rows, target, weight=weights, cat_features=table.categorical)


def _said(model: Any, table: Table, loss: str) -> dict[str, Said]:
    def asked(kind: str) -> Callable[[Any], Any]:
        def call(rows: Any) -> Any:
            found = model.predict(_pool(rows, table), prediction_type=kind)
            return np.asarray(found, dtype=np.float64).reshape(len(rows), -1)

        return call

    calls = {"prediction": asked("RawFormulaVal")}
    if loss in CLASSES:
        calls = {"margin": asked("RawFormulaVal"), "probability": asked("Probability")}
    elif loss in COUNTS:
        calls = {"margin": asked("RawFormulaVal"), "prediction": asked("Exponent")}
    said = shapley.said(calls, table if not table.categorical else table._replace(background=None))
    if table.background is None and loss != "RMSEWithUncertainty":
        first = said[next(iter(said))]
        found = np.asarray(model.get_feature_importance(_pool(table.rows, table), type="ShapValues"), dtype=np.float64)
        found = found.reshape(len(table.rows), -1, table.rows.shape[1] + 1)
        first.values, first.base = np.moveaxis(found[..., :-1], 1, 2), found[0, :, -1]
    return said


def _saved(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.cbm"
        model.save_model(str(path))
        return path.read_bytes()
