"""Files that mean something else to the installed libraries than to those that wrote them: explained as meant.

What is expected here, the libraries that wrote them said.
"""

import json

import numpy as np
import pytest
import xgboost as xgb
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import BaggingClassifier, IsolationForest, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from child.models import tree_nodes
from shaptrees import TreeExplainer
from shaptrees.readers.checks import BadTree
from tests.child.support import explained, npy, refusal, skops_bytes
from tests.child.test_versions import aged

LINEAR_142 = (
    b'{"learner":{"attributes":{},"feature_names":[],"feature_types":[],"gradient_booster":{"model":{"weights":'
    b"[2.2336502E0,3.6148193E-1,-3.2354593E-2,1.8385319E0]},"
    b'"name":"gblinear"},"learner_model_param":{"base_score":"1.25E-1","num_class":"0","num_feature":"3"},"objective":'
    b'{"name":"reg:logistic","reg_loss_param":{"scale_pos_weight":"1"}}},"version":[1,4,2]}'
)
"""By XGBoost 1.4.2 itself, whose margin of zeros was log(0.125 / 0.875) plus the last weight."""


def test_the_base_score_of_an_old_linear_booster(samples):
    rows, background = samples.x[:5, :3], npy(np.zeros((1, 3)))
    values, _, info = explained(LINEAR_142, npy(rows), background)
    margin = rows @ [2.2336502, 0.36148193, -0.032354593] + 1.8385319 + np.log(0.125 / 0.875)
    meant = {"margin": margin, "probability": 1 / (1 + np.exp(-margin))}[info.explains]
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + info.base_values, meant, rtol=0, atol=1e-5)


def test_the_base_score_of_an_old_logitraw(samples):
    """A probability until 1.2; the trees alone, and the booster that has loaded the file."""
    parameters = {"objective": "binary:logitraw", "base_score": 0.125, "nthread": 1}
    booster = xgb.train(parameters, xgb.DMatrix(samples.x, samples.two), 2)
    document = json.loads(bytes(booster.save_raw("json")))
    document["version"], document["learner"]["learner_model_param"]["base_score"] = [1, 2, 1], "1.25E-1"
    old = json.dumps(document).encode()
    margin = booster.predict(xgb.DMatrix(samples.x[:5])) - 0.125 + np.log(0.125 / 0.875)
    values, _, info = explained(old, npy(samples.x[:5]))
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + info.base_values, margin, rtol=0, atol=1e-5)
    values, _, info = explained(old, npy(samples.x[:5]), npy(samples.x[:4]), explainer="permutation")
    np.testing.assert_allclose(
        values.sum(axis=1)[:, 0] + info.base_values, 1 / (1 + np.exp(-margin)), rtol=0, atol=1e-5
    )


def test_trees_with_vectors_that_do_not_say_how_many_rows_came_by(samples):
    """As XGBoost 2.0 to 3.0 wrote them; 3.2 crashes over such a file."""
    parameters = {"nthread": 1, "max_depth": 3, "multi_strategy": "multi_output_tree", "tree_method": "hist"}
    booster = xgb.train(parameters, xgb.DMatrix(samples.x, samples.x[:, :2] ** 2), 3)
    document = json.loads(bytes(booster.save_raw("json")))
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        del tree["sum_hessian"], tree["loss_changes"]
    old = json.dumps(document).encode()
    failed = refusal(old)
    assert (failed.code, "send a background" in failed.message) == ("unsupported_model", True)
    rows, background = samples.x[:5], samples.x[:9]
    new = TreeExplainer(bytes(booster.save_raw("ubj")), background).shap_values(rows)
    np.testing.assert_array_equal(TreeExplainer(old, background).shap_values(rows), new)


@pytest.mark.parametrize("wrap", [lambda tree: tree, lambda tree: BaggingClassifier(tree, 3, random_state=0)])
def test_trees_that_hold_counts_of_classes(samples, wrap):
    """Until 1.3; a forest's are read into arrays, a bag is asked."""
    estimator = wrap(DecisionTreeClassifier(max_depth=3, random_state=0)).fit(samples.x, samples.three)
    expected = explained(skops_bytes(estimator), npy(samples.x[:5]), npy(samples.x[:9]))[0]
    for tree in getattr(estimator, "estimators_", [estimator]):
        tree.tree_.value[:] *= tree.tree_.weighted_n_node_samples[:, None, None]
    found = explained(aged(skops_bytes(estimator)), npy(samples.x[:5]), npy(samples.x[:9]))[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_trees_that_do_not_say_where_missing_values_go(samples):
    """Until 1.2: told as that, before scikit-learn makes one of them."""
    tree = DecisionTreeClassifier(max_depth=3).fit(samples.x, samples.three).tree_
    made_of, state = (tree.n_features, tree.n_classes, tree.n_outputs), tree.__getstate__()
    tree_nodes.check(made_of, state)
    state["nodes"] = state["nodes"][[name for name in state["nodes"].dtype.names if name != "missing_go_to_left"]]
    with pytest.raises(BadTree, match=r"until 1\.2"):
        tree_nodes.check(made_of, state)


def test_rows_that_were_scaled_before_coefficients_came_by(samples):
    """Of PLS until 1.4."""
    raw = aged(skops_bytes(PLSRegression(1).fit(samples.x, samples.number)), ("1.6.1", "1.4.2"))
    failed = refusal(raw, npy(samples.x), npy(samples.x[:9]))
    assert (failed.code, "deviations" in failed.message) == ("version_mismatch", True)


def test_what_others_were_cloned_from_is_not_looked_at(samples):
    """It has no classes yet, of which the meaning of `multi_class` depends."""
    members = [("one", LogisticRegression()), ("other", DecisionTreeClassifier(max_depth=2))]
    estimator = VotingClassifier(members, voting="soft").fit(samples.x, samples.two)
    for part in (members[0][1], estimator.estimators_[0]):
        part.multi_class = "auto"
    raw = aged(skops_bytes(estimator))
    _, _, info = explained(raw, npy(samples.x[:3]), npy(samples.x[:5]))
    assert "library_version" in {warning.code for warning in info.warnings}


def test_a_class_that_is_gone_is_one_of_another_version(samples):
    raw = aged(
        skops_bytes(RandomForestClassifier(2).fit(samples.x, samples.two)), ("RandomForestClassifier", "RandomWood")
    )
    failed = refusal(raw)
    assert (failed.code, "RandomWood" in failed.message) == ("version_mismatch", True)
    assert "\n" not in failed.message


def test_an_isolation_forest_counts_a_row_as_often_as_it_was_drawn(samples):
    """Covers are weights, as those of every other forest; shap's values take them too, and its base value does not."""
    import shap

    estimator = IsolationForest(n_estimators=3, bootstrap=True, max_samples=40, random_state=0).fit(samples.x)
    values, _, _ = explained(skops_bytes(estimator), npy(samples.x[:5]))
    theirs = shap.TreeExplainer(estimator).shap_values(samples.x[:5], check_additivity=False)
    np.testing.assert_allclose(values[..., 0], theirs, rtol=0, atol=1e-9)
