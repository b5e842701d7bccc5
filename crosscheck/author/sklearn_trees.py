"""Random trees, forests and boosting of scikit-learn, with what their own trees give on average."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import ensemble, tree

from crosscheck.author import shapley, tree_expectations
from crosscheck.author.draw import Draw, Table
from crosscheck.author.sklearn_models import VERSION, specimen
from crosscheck.author.specimen import Said, Specimen

LOG_LINK = ("poisson", "gamma")


def draw(dice: Draw) -> Specimen:
    kind: Callable[[Draw], Specimen] = dice.pick(_tree, _forest, _forest, _boosting, _boosting, _histogram, _histogram)
    return kind(dice)


def _tree(dice: Draw) -> Specimen:
    classify = dice.chance(0.5)
    kind = dice.pick("Decision", "Extra")
    takes_missing = kind == "Decision" and VERSION >= (1, 3)
    table = dice.table(missing=takes_missing and dice.chance(0.5))
    parameters = _growth(dice, classify=classify)
    parameters.pop("max_samples", None)
    name = {"Decision": "DecisionTree", "Extra": "ExtraTree"}[kind] + ("Classifier" if classify else "Regressor")
    model = getattr(tree, name)(random_state=0, **parameters)
    model.fit(table.x, _target(dice, table, classify=classify), sample_weight=table.weights)
    return specimen(dice, model, table, path=lambda found, rows: _mean_of_trees([found], rows))


def _forest(dice: Draw) -> Specimen:
    classify = dice.chance(0.5)
    kind = dice.pick("RandomForest", "ExtraTrees")
    takes_missing = ((1, 4) if kind == "RandomForest" else (1, 6)) <= VERSION
    table = dice.table(missing=takes_missing and dice.chance(0.5))
    parameters = {**_growth(dice, classify=classify), **dice.some(0.4, bootstrap=(True, False))}
    model = getattr(ensemble, kind + ("Classifier" if classify else "Regressor"))(
        n_estimators=dice.whole(1, 8), random_state=0, **parameters
    )
    model.fit(table.x, _target(dice, table, classify=classify), sample_weight=table.weights)
    return specimen(dice, model, table, path=lambda found, rows: _mean_of_trees(found.estimators_, rows))


def _growth(dice: Draw, *, classify: bool) -> dict[str, Any]:
    found = {"max_depth": dice.pick(1, 3, 5, None)}
    found |= dice.some(0.2, min_samples_leaf=4, max_features=(1, 0.7), max_leaf_nodes=6, ccp_alpha=0.01)
    found |= dice.some(0.2, min_weight_fraction_leaf=0.05, min_impurity_decrease=0.02)
    if classify:
        return found | dice.some(0.4, criterion=("gini", "entropy"), class_weight="balanced")
    return found | dice.some(0.3, criterion=("squared_error", "absolute_error", "friedman_mse"))


def _target(dice: Draw, table: Table, *, classify: bool) -> Any:
    if classify:
        return dice.pick(table.two, table.three, np.array(["no", "yes"])[table.two])
    return dice.pick(table.number, table.number, np.c_[table.number, table.positive])


def _mean_of_trees(trees: list[Any], table: Table) -> dict[str, Said]:
    known = shapley.coalitions(table.rows.shape[1])
    worth = sum(
        tree_expectations.of_tree(one.tree_, tree_expectations.leaves_of(one), table.rows, known) for one in trees
    ) / len(trees)
    key = "probability" if hasattr(trees[0], "classes_") else "prediction"
    return {key: Said(worth[-1], *tree_expectations.explained(worth, known))}


def _boosting(dice: Draw) -> Specimen:
    classify = dice.chance(0.5)
    table = dice.table()
    parameters = {
        **_growth(dice, classify=False),
        "learning_rate": dice.pick(0.1, 0.5),
        "n_estimators": dice.whole(1, 10),
    }
    parameters.pop("criterion", None)
    parameters |= dice.some(0.3, subsample=0.6, init="zero", n_iter_no_change=2)
    parameters |= dice.some(
        0.5, loss=("log_loss", "exponential") if classify else ("squared_error", "absolute_error", "huber", "quantile")
    )
    target = (
        (table.two if parameters.get("loss") == "exponential" or dice.chance(0.6) else table.three)
        if classify
        else table.number
    )
    if dice.chance(0.1) and not classify:
        parameters["init"] = tree.DecisionTreeRegressor(max_depth=1)
    name = "GradientBoostingClassifier" if classify else "GradientBoostingRegressor"
    model = getattr(ensemble, name)(random_state=0, **parameters).fit(table.x, target, sample_weight=table.weights)
    return specimen(dice, model, table, path=_sum_of_trees)


def _sum_of_trees(model: Any, table: Table) -> dict[str, Said]:
    if model.init is not None and not isinstance(model.init, str):
        return {}
    known, rate = shapley.coalitions(table.rows.shape[1]), model.learning_rate
    start = model._raw_predict_init(table.rows[:1].astype(np.float32))[0]
    worth = sum(
        rate
        * np.concatenate(
            [tree_expectations.of_tree(one.tree_, one.tree_.value[:, 0], table.rows, known) for one in stage], axis=2
        )
        for stage in model.estimators_
    )
    key = "margin" if hasattr(model, "classes_") else "prediction"
    return {key: Said(worth[-1] + start, *tree_expectations.explained(worth, known, start))}


def _histogram(dice: Draw) -> Specimen:
    classify = dice.chance(0.5)
    table = dice.table(missing=dice.chance(0.5), categories=dice.chance(0.4))
    parameters: dict[str, Any] = {
        "max_iter": dice.whole(1, 8),
        "min_samples_leaf": dice.whole(1, 10),
        "max_leaf_nodes": dice.whole(2, 12),
    }
    parameters |= dice.some(0.2, l2_regularization=1.0, max_bins=8, learning_rate=0.5, max_depth=2, early_stopping=True)
    if table.categorical:
        parameters["categorical_features"] = table.categorical
    elif dice.chance(0.2):
        parameters["monotonic_cst"] = [1] + [0] * (table.x.shape[1] - 1)
    if classify:
        target = dice.pick(table.two, table.three)
    else:
        parameters |= dice.some(
            0.5, loss=("squared_error", "absolute_error", "poisson", *(["gamma"] if VERSION >= (1, 3) else []))
        )
        target = table.positive if parameters.get("loss") in LOG_LINK else table.number
    name = "HistGradientBoostingClassifier" if classify else "HistGradientBoostingRegressor"
    model = getattr(ensemble, name)(random_state=0, **parameters).fit(table.x, target, sample_weight=table.weights)
    kind = f"{name} categories" if table.categorical else name
    found = specimen(dice, model, table, kind=kind, path=_sum_of_predictors)
    if table.background is not None and parameters.get("loss") in LOG_LINK:
        found.said |= shapley.said({"margin": lambda rows: model._raw_predict(rows).reshape(len(rows), -1)}, table)
    return found


def _sum_of_predictors(model: Any, table: Table) -> dict[str, Said]:
    worth: Any
    rows, order = _preprocessed(model, table)
    known, start = shapley.coalitions(rows.shape[1]), np.ravel(model._baseline_prediction)
    worth = sum(
        np.concatenate([tree_expectations.of_predictor(one, rows, known) for one in stage], axis=2)
        for stage in model._predictors
    )
    values, base = tree_expectations.explained(worth, known, start)
    mine = np.empty_like(values)
    mine[:, order] = values
    classify = hasattr(model, "classes_")
    is_log = not classify and model.loss in LOG_LINK
    return {"margin" if classify or is_log else "prediction": Said(worth[-1] + start, mine, base)}


def _preprocessed(model: Any, table: Table) -> tuple[Any, list[int]]:
    """Rows as its trees see them, and which column each of theirs was: since 1.4 those of categories come first."""
    straight = list(range(table.rows.shape[1]))
    if getattr(model, "_preprocessor", None) is None:
        return table.rows, straight
    first = table.categorical
    return model._preprocess_X(table.rows, reset=False), [
        *first,
        *(column for column in straight if column not in first),
    ]
