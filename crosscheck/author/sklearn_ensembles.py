"""Random ensembles of other models, and detectors of outliers."""

from typing import Any

import numpy as np
from sklearn import calibration, cluster, ensemble, linear_model, multiclass, multioutput, svm, tree
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crosscheck.author import shapley, tree_expectations
from crosscheck.author.draw import Draw, Table
from crosscheck.author.sklearn_models import VERSION, specimen
from crosscheck.author.specimen import Said, Specimen


def draw(dice: Draw) -> Specimen:
    name = dice.pick("isolation", "isolation", *MADE)
    table = dice.table()
    if name == "isolation":
        return _isolation(dice, table)
    if dice.chance(0.85):
        table = table._replace(background=table.x[:8])
    model, target = MADE[name](dice, table)
    model.fit(table.x, target)
    return specimen(dice, model, table, kind=name)


def _isolation(dice: Draw, table: Table) -> Specimen:
    parameters = dice.some(0.4, max_samples=(20, 0.5), contamination=0.1, max_features=(1, 0.7), bootstrap=True)
    model = ensemble.IsolationForest(n_estimators=dice.whole(1, 10), random_state=0, **parameters)
    model.fit(table.x, sample_weight=table.weights)
    found = specimen(dice, model, table, path=_path_lengths)
    if table.background is not None:
        found.said |= shapley.said({"path_length": lambda rows: _mean_depths(model, rows)}, table)
    return found


def _mean_depths(model: Any, rows: Any) -> Any:
    """(rows, 1): where rows end in each tree, on average."""
    total = 0.0
    for one, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        total = total + tree_expectations.path_lengths(one.tree_)[one.apply(rows[:, columns])]
    return total / len(model.estimators_)


def _path_lengths(model: Any, table: Table) -> dict[str, Said]:
    known = shapley.coalitions(table.rows.shape[1])
    worth: Any = 0.0
    for one, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        depths = tree_expectations.path_lengths(one.tree_)
        worth = worth + tree_expectations.of_tree(one.tree_, depths, table.rows[:, columns], known[:, columns])
    worth = worth / len(model.estimators_)
    return {"path_length": Said(worth[-1], *tree_expectations.explained(worth, known))}


def _two(dice: Draw, table: Table) -> Any:
    return dice.pick(table.two, table.three)


def _stump() -> Any:
    return tree.DecisionTreeClassifier(max_depth=2, random_state=0)


def _bagging_classifier(dice: Draw, table: Table) -> tuple[Any, Any]:
    parameters = dice.some(0.4, max_features=0.7, max_samples=0.5)
    return ensemble.BaggingClassifier(_stump(), n_estimators=4, random_state=0, **parameters), _two(dice, table)


def _bagging_regressor(dice: Draw, table: Table) -> tuple[Any, Any]:
    inner = dice.pick(linear_model.Ridge(), tree.DecisionTreeRegressor(max_depth=3, random_state=0))
    return ensemble.BaggingRegressor(inner, n_estimators=4, random_state=0), table.number


def _ada_classifier(dice: Draw, table: Table) -> tuple[Any, Any]:
    old = dice.some(0.5, algorithm=("SAMME", "SAMME.R")) if VERSION < (1, 6) else {}
    return ensemble.AdaBoostClassifier(_stump(), n_estimators=5, random_state=0, **old), _two(dice, table)


def _ada_regressor(dice: Draw, table: Table) -> tuple[Any, Any]:
    return ensemble.AdaBoostRegressor(n_estimators=5, random_state=0, loss=dice.pick("linear", "square")), table.number


def _voting_classifier(dice: Draw, table: Table) -> tuple[Any, Any]:
    members = [("tree", _stump()), ("line", linear_model.LogisticRegression(max_iter=200))]
    return ensemble.VotingClassifier(members, voting=dice.pick("soft", "soft", "hard")), _two(dice, table)


def _voting_regressor(dice: Draw, table: Table) -> tuple[Any, Any]:
    forest = ensemble.RandomForestRegressor(3, max_depth=3, random_state=0)
    return ensemble.VotingRegressor([("line", linear_model.Ridge()), ("trees", forest)]), table.number


def _stacking(dice: Draw, table: Table) -> tuple[Any, Any]:
    members = [("tree", tree.DecisionTreeRegressor(max_depth=2, random_state=0)), ("line", linear_model.Ridge())]
    return ensemble.StackingRegressor(members, cv=2, passthrough=dice.chance(0.5)), table.number


def _calibrated(dice: Draw, table: Table) -> tuple[Any, Any]:
    inner = dice.pick(svm.LinearSVC(max_iter=500), _stump())
    return calibration.CalibratedClassifierCV(inner, cv=2, method=dice.pick("sigmoid", "isotonic")), _two(dice, table)


def _several(dice: Draw, table: Table) -> tuple[Any, Any]:
    inner = dice.pick(linear_model.Ridge(), ensemble.GradientBoostingRegressor(n_estimators=3, random_state=0))
    return multioutput.MultiOutputRegressor(inner), np.c_[table.number, table.positive]


def _one_against_rest(dice: Draw, table: Table) -> tuple[Any, Any]:
    inner = dice.pick(linear_model.LogisticRegression(max_iter=200), _stump())
    return multiclass.OneVsRestClassifier(inner), table.three


def _forest_in_pipeline(dice: Draw, table: Table) -> tuple[Any, Any]:
    forest = ensemble.RandomForestClassifier(4, max_depth=3, random_state=0)
    return make_pipeline(StandardScaler(), forest), _two(dice, table)


def _one_class(dice: Draw, table: Table) -> tuple[Any, Any]:
    return svm.OneClassSVM(nu=0.3, max_iter=20_000), None


def _k_means(dice: Draw, table: Table) -> tuple[Any, Any]:
    return cluster.KMeans(3, n_init=1, random_state=0), None


MADE = {
    "BaggingClassifier": _bagging_classifier,
    "BaggingRegressor": _bagging_regressor,
    "AdaBoostClassifier": _ada_classifier,
    "AdaBoostRegressor": _ada_regressor,
    "VotingClassifier": _voting_classifier,
    "VotingRegressor": _voting_regressor,
    "StackingRegressor": _stacking,
    "CalibratedClassifierCV": _calibrated,
    "MultiOutputRegressor": _several,
    "OneVsRestClassifier": _one_against_rest,
    "Pipeline of RandomForestClassifier": _forest_in_pipeline,
    "OneClassSVM": _one_class,
    "KMeans": _k_means,
}
