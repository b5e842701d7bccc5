"""Which explainer suits which model, and what is refused because shap would be wrong or crash."""

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from jobs.codec import Done
from jobs.work.explainers import exact, tree
from tests.work.support import Supervisor, csv_bytes, explained, npy, refusal, skops_bytes


def test_auto_needs_a_background_where_only_sampling_works(samples):
    ada = skops_bytes(AdaBoostRegressor(n_estimators=3).fit(samples.x, samples.number))
    assert refusal(ada).code == "background_required"
    assert refusal(skops_bytes(LogisticRegression().fit(samples.x, samples.two))).code == "background_required"
    _, _, info = explained(ada, npy(samples.x[:3]), npy(samples.x[:10]), max_evals=11)
    assert info.explainer == "permutation"
    assert "AdaBoostRegressor" in info.reason


def test_a_multiclass_gradient_boosting_is_sampled(samples):
    model = skops_bytes(GradientBoostingClassifier(n_estimators=3).fit(samples.x, samples.three))
    assert refusal(model, explainer="tree").code == "unsupported_combination"
    _, _, info = explained(model, npy(samples.x[:3]), npy(samples.x[:10]), max_evals=11)
    assert (info.explainer, info.explains) == ("permutation", "probability")


def test_histogram_boosting_is_refused_where_shap_is_silently_wrong(samples):
    x = samples.x.copy()
    x[:, 0] = np.arange(len(x)) % 4
    categorical = HistGradientBoostingClassifier(max_iter=5, categorical_features=[0]).fit(x, samples.two)
    failed = refusal(skops_bytes(categorical), npy(x), explainer="tree")
    assert failed.code == "unsupported_combination"
    assert "categories" in failed.message
    values, _, info = explained(skops_bytes(categorical), npy(x[:4]), npy(x[:20]), max_evals=110)
    assert info.explainer == "permutation"
    own = categorical.predict_proba(x[:4])
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, own, rtol=0, atol=1e-6)
    plain = skops_bytes(HistGradientBoostingRegressor(max_iter=5).fit(samples.x, samples.number))
    assert "32 bits" in refusal(plain, None, npy(samples.x), explainer="tree").message


def test_lightgbm_with_categories_is_not_read_by_shap_with_a_background(samples):
    x = samples.x.copy()
    x[:, 0] = np.arange(len(x)) % 5
    params = {"verbose": -1, "num_threads": 1, "min_data_per_group": 1, "min_data_in_leaf": 5}
    y = samples.number + 3 * (x[:, 0] == 3)
    booster = lgb.train(params, lgb.Dataset(x, y, categorical_feature=[0]), 5)
    model = booster.model_to_string().encode()
    assert b"num_cat=1" in model
    _, heard, info = explained(model, npy(x))
    assert info.explainer == "tree"
    assert heard.one(Done).summary["additivity"]["ok"]
    _, heard, _ = explained(model, npy(x), interactions=True)
    assert heard.one(Done).summary["additivity"]["ok"]
    _, _, info = explained(model, npy(x[:3]), npy(x[:20]), max_evals=11)
    assert (info.explainer, "categories" in info.reason) == ("permutation", True)


def test_a_refusal_of_shap_itself_is_passed_on(samples):
    params = {"nthread": 1, "num_parallel_tree": 2, "subsample": 0.5}
    booster = xgb.train(params, xgb.DMatrix(samples.x, samples.number), 3)
    model = bytes(booster.save_raw("json"))
    explained(model, npy(samples.x))
    assert refusal(model, None, npy(samples.x)).code == "unsupported_combination"


@pytest.mark.parametrize("booster", ["gblinear", "dart"])
def test_other_boosters_of_xgboost(samples, booster):
    trained = xgb.train({"booster": booster, "nthread": 1}, xgb.DMatrix(samples.x, samples.number), 4)
    _, heard, info = explained(bytes(trained.save_raw("json")), npy(samples.x[:5]), npy(samples.x[:9]), max_evals=11)
    assert info.explainer == {"gblinear": "permutation", "dart": "tree"}[booster]
    assert heard.one(Done).summary["additivity"]["ok"]


def test_ensembles_of_ensembles_are_sampled(samples):
    members = [("a", LogisticRegression()), ("b", RandomForestClassifier(3)), ("c", SVC())]
    for estimator in (VotingClassifier(members[:2], voting="soft"), StackingClassifier(members, cv=2)):
        model = skops_bytes(estimator.fit(samples.x, samples.two))
        _, _, info = explained(model, npy(samples.x[:2]), npy(samples.x[:5]), max_evals=11)
        assert (info.explainer, info.outputs) == ("permutation", ["0", "1"])


def test_a_pipeline_that_picks_columns_by_name(samples):
    import pandas as pd

    frame = pd.DataFrame(samples.x, columns=samples.columns)
    columns = ColumnTransformer([("some", StandardScaler(), ["col1", "col3"])], remainder="passthrough")
    pipeline = make_pipeline(columns, LogisticRegression()).fit(frame, samples.two)
    rows = csv_bytes(samples.columns[::-1], samples.x[:4, ::-1])
    values, _, info = explained(skops_bytes(pipeline), rows, csv_bytes(samples.columns, samples.x[:9]), max_evals=11)
    own = pipeline.predict_proba(frame[:4])
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, own, rtol=0, atol=1e-6)


def test_interactions_only_where_shap_gives_them(samples, forest):
    assert "leave the background out" in refusal(forest, None, npy(samples.x), interactions=True).message
    logistic = skops_bytes(LogisticRegression().fit(samples.x, samples.two))
    assert refusal(logistic, None, npy(samples.x), interactions=True).code == "unsupported_combination"
    assert (
        refusal(forest, None, npy(samples.x), interactions=True, explainer="kernel").detail["asked"] == "interactions"
    )


def test_probabilities_of_boosted_trees_need_a_background(samples):
    booster = xgb.train({"objective": "binary:logistic", "nthread": 1}, xgb.DMatrix(samples.x, samples.two), 3)
    failed = refusal(bytes(booster.save_raw("json")), model_output="probability")
    assert failed.code == "background_required"


def test_probabilities_of_a_regression_are_refused(samples, forest):
    assert refusal(forest, model_output="probability", explainer="tree").code == "unsupported_combination"
    assert refusal(forest, None, npy(samples.x), model_output="probability").code == "unsupported_combination"


def test_large_trees_with_a_background(samples, forest, monkeypatch):
    monkeypatch.setattr(tree, "MAX_NODES", 10)
    monkeypatch.setattr(tree, "_COUNTS_IN_16_BITS", True)
    failed = refusal(forest, None, npy(samples.x))
    assert failed.code == "unsupported_combination"
    assert "leave the background out" in failed.message
    monkeypatch.setattr(tree, "_COUNTS_IN_16_BITS", False)
    explained(forest, npy(samples.x), npy(samples.x))


def test_too_few_evaluations(samples):
    model = skops_bytes(SVC().fit(samples.x, samples.two))
    assert refusal(model, None, npy(samples.x), max_evals=10).code == "invalid_options"


def test_additivity_is_checked_against_the_real_model(samples):
    """Exponential loss starts from another value than shap thinks; reached past `obstacle`, which knows it."""
    model = GradientBoostingClassifier(loss="exponential", n_estimators=5).fit(samples.x, samples.two)
    parts = {"model": skops_bytes(model), "data": npy(samples.x)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "_gradient_obstacle", lambda name, estimator: None)
        patch.setattr(exact, "takes", lambda model, options, background: False)
        checked, unchecked = Supervisor(parts), Supervisor(parts)
        checked.load()
        unchecked.load(check_additivity=False)
    failed = checked.open().failed
    assert (failed.kind, failed.code) == ("refused", "additivity")
    assert failed.detail["largest_error"] > failed.detail["tolerance"]
    summary = unchecked.open().one(Done).summary
    assert summary["additivity"]["ok"] is False
