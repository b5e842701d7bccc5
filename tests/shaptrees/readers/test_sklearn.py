"""Fitted estimators of scikit-learn: what they say of themselves, and that odd ones are refused and crash nobody."""

import numpy as np
import pytest

from shaptrees.errors import ModelError, UnreadableModel, UnsupportedModel
from shaptrees.readers import sklearn as reader

ensemble = pytest.importorskip("sklearn.ensemble")
tree = pytest.importorskip("sklearn.tree")

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(120, 3))
NUMBER = X[:, 0] + X[:, 1]
TWO = np.where(NUMBER > 0, "yes", "no")
THREE = np.digitize(NUMBER, [-0.5, 0.5])
BOTH = np.column_stack([NUMBER, X[:, 2]])
COUNTS = RANDOM.poisson(np.exp(NUMBER / 3))


SAID = {
    "forest": (ensemble.RandomForestClassifier(3, random_state=0), TWO, {"probability": ["no", "yes"]}),
    "classes": (tree.DecisionTreeClassifier(), THREE, {"probability": ["0", "1", "2"]}),
    "one class": (ensemble.RandomForestClassifier(3), np.zeros(120), {"probability": ["0.0"]}),
    "boosting": (
        ensemble.GradientBoostingClassifier(n_estimators=2),
        TWO,
        {"margin": ["yes"], "probability": ["yes"]},
    ),
    "exponential": (ensemble.GradientBoostingClassifier(n_estimators=2, loss="exponential"), TWO, {"margin": ["yes"]}),
    "number": (ensemble.ExtraTreesRegressor(3), NUMBER, {"prediction": ["prediction"]}),
    "numbers": (ensemble.RandomForestRegressor(3), BOTH, {"prediction": ["0", "1"]}),
    "counts": (
        ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=2),
        COUNTS,
        {"margin": ["margin"], "prediction": ["prediction"]},
    ),
    "isolation": (ensemble.IsolationForest(n_estimators=3), None, {"path_length": ["path_length"]}),
}


@pytest.mark.parametrize("name", SAID)
def test_outputs_are_named_and_what_trees_add_up_to_comes_first(name):
    estimator, target, outputs = SAID[name]
    about = reader.convert(estimator.fit(X, target)).about
    assert about.outputs == outputs
    assert about.native == next(iter(outputs))
    assert (about.family, about.n_features, about.features) == ("scikit-learn", 3, None)
    assert about.takes_missing == ("Hist" in about.name)


def test_columns_of_a_data_frame_are_its_features():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    assert reader.convert(tree.DecisionTreeRegressor().fit(frame, NUMBER)).about.features == ["a", "b", "c"]


def without(estimator, *names):
    for name in names:
        delattr(estimator, name)
    return estimator


def harmed(edit):
    forest = ensemble.RandomForestRegressor(2, random_state=0).fit(X, NUMBER)
    state = forest.estimators_[0].tree_.__getstate__()
    state["nodes"] = state["nodes"].copy()
    edit(state["nodes"])
    forest.estimators_[0].tree_.__setstate__(state)
    return forest


ODD = {
    "not fitted": ensemble.RandomForestRegressor,
    "boosting that is not fitted": ensemble.HistGradientBoostingClassifier,
    "no trees": lambda: without(ensemble.RandomForestRegressor(2).fit(X, NUMBER), "estimators_"),
    "an empty forest": lambda: emptied(ensemble.RandomForestRegressor(2).fit(X, NUMBER)),
    "no number of features": lambda: without(tree.DecisionTreeRegressor().fit(X, NUMBER), "n_features_in_"),
    "a child that is not there": lambda: harmed(lambda nodes: nodes["left_child"].__setitem__(0, 10**6)),
    "a cycle": lambda: harmed(lambda nodes: nodes["right_child"].__setitem__(0, 0)),
    "a feature that is not there": lambda: harmed(lambda nodes: nodes["feature"].__setitem__(0, 9)),
    "a threshold that is no number": lambda: harmed(lambda nodes: nodes["threshold"].__setitem__(0, np.nan)),
}


def emptied(forest):
    forest.estimators_ = []
    return forest


@pytest.mark.parametrize("name", ODD)
def test_odd_estimators_are_refused_with_the_reason(name):
    with pytest.raises(UnreadableModel) as caught:
        reader.convert(ODD[name]())
    assert caught.value.reason


@pytest.mark.parametrize("thing", [None, 3, "text", object, ensemble.RandomForestRegressor, [1], X])
def test_what_is_no_estimator_is_refused_by_name(thing):
    with pytest.raises(ModelError):
        reader.convert(thing)


def test_several_targets_with_classes_are_refused():
    forest = ensemble.RandomForestClassifier(2).fit(X, np.column_stack([THREE, THREE]))
    with pytest.raises(UnsupportedModel, match="several targets"):
        reader.convert(forest)
