"""Whole jobs over a socketpair: the values are shap's own."""

import io
import json
import warnings

import lightgbm as lgb
import numpy as np
import pytest
import shap
import xgboost as xgb
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from jobs.protocol import Done
from tests.child.support import explained, npy, skops_bytes

CLOSE = {"rtol": 0, "atol": 1e-9}
SINGLE = {"rtol": 0, "atol": 1e-6}
"""For XGBoost, whose own contributions (and so those of shap) are sums in 32 bits, and for shap's kernel with a
background, which keeps leaves in 32 bits."""


def reference(explainer, rows, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = np.asarray(explainer.shap_values(rows, **kwargs), dtype=float)
    return values if values.ndim == 3 else values[..., None]


def independent(background):
    return shap.maskers.Independent(background, max_samples=len(background))


SKLEARN_TREES = [
    (RandomForestRegressor(8, random_state=0), "number"),
    (RandomForestClassifier(8, random_state=0), "two"),
    (RandomForestClassifier(8, random_state=0), "three"),
    (ExtraTreesRegressor(8, random_state=0), "number"),
    (ExtraTreesClassifier(8, random_state=0), "three"),
    (DecisionTreeClassifier(random_state=0), "three"),
    (GradientBoostingRegressor(n_estimators=8), "number"),
    (GradientBoostingClassifier(n_estimators=8), "two"),
    (HistGradientBoostingRegressor(max_iter=8), "number"),
    (HistGradientBoostingClassifier(max_iter=8), "two"),
    (HistGradientBoostingClassifier(max_iter=8), "three"),
]


@pytest.mark.parametrize(("estimator", "target"), SKLEARN_TREES)
def test_sklearn_trees_equal_shap(samples, estimator, target):
    estimator.fit(samples.x, getattr(samples, target))
    values, heard, info = explained(skops_bytes(estimator), npy(samples.x))
    explainer = shap.TreeExplainer(estimator)
    np.testing.assert_allclose(values, reference(explainer, samples.x), **CLOSE)
    np.testing.assert_allclose(info.base_values, np.atleast_1d(explainer.expected_value), **CLOSE)
    assert info.explainer == "tree"
    assert info.engine.startswith("exact trees (")
    assert len(info.outputs) == values.shape[-1]
    assert heard.one(Done).summary["additivity"]["ok"]


XGB = [
    ({}, "number"),
    ({"objective": "binary:logistic"}, "two"),
    ({"objective": "multi:softprob", "num_class": 3}, "three"),
]


@pytest.mark.parametrize("file_format", ["json", "ubj"])
@pytest.mark.parametrize(("params", "target"), XGB)
def test_xgboost_equals_shap(samples, params, target, file_format):
    booster = xgb.train({**params, "nthread": 1}, xgb.DMatrix(samples.x, getattr(samples, target)), 8)
    values, _, info = explained(bytes(booster.save_raw(file_format)), npy(samples.x))
    np.testing.assert_allclose(values, reference(shap.TreeExplainer(booster), samples.x), **SINGLE)
    assert info.family == "xgboost"
    assert info.explains == ("prediction" if target == "number" else "margin")


LGB = [({}, "number"), ({"objective": "binary"}, "two"), ({"objective": "multiclass", "num_class": 3}, "three")]


def lightgbm(samples, params, target, rounds=8):
    data = lgb.Dataset(samples.x, getattr(samples, target))
    return lgb.train({**params, "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}, data, rounds)


@pytest.mark.parametrize(("params", "target"), LGB)
def test_lightgbm_equals_shap(samples, params, target):
    booster = lightgbm(samples, params, target)
    values, _, info = explained(booster.model_to_string().encode(), npy(samples.x))
    np.testing.assert_allclose(values, reference(shap.TreeExplainer(booster), samples.x), **CLOSE)
    assert info.features is None  # Column_0, ... are LightGBM's own invention


@pytest.mark.parametrize(("params", "target"), LGB)
def test_interactions_add_up_to_the_values(samples, params, target):
    model = lightgbm(samples, params, target).model_to_string().encode()
    values, _, _ = explained(model, npy(samples.x))
    matrices, heard, _ = explained(model, npy(samples.x), interactions=True)
    np.testing.assert_allclose(matrices.sum(axis=2), values, **CLOSE)
    np.testing.assert_allclose(matrices, matrices.swapaxes(1, 2), **CLOSE)
    assert len(heard.one(Done).summary["mean_abs_shap"]) == 5


@pytest.mark.parametrize(("params", "target"), XGB)
def test_xgboost_interactions_equal_shap(samples, params, target):
    booster = xgb.train({**params, "nthread": 1}, xgb.DMatrix(samples.x, getattr(samples, target)), 8)
    matrices, _, _ = explained(bytes(booster.save_raw("json")), npy(samples.x), interactions=True)
    explainer = shap.TreeExplainer(booster)
    summed_in_32_bits = explainer.shap_interaction_values(samples.x)
    explainer.model.model_type = "internal"  # shap's own kernel instead of XGBoost's, whose rounding grows with values
    expected = explainer.shap_interaction_values(samples.x)
    np.testing.assert_allclose(matrices, expected.reshape(matrices.shape), rtol=0, atol=1e-7)
    largest = np.abs(summed_in_32_bits).max()
    assert np.abs(matrices - summed_in_32_bits.reshape(matrices.shape)).max() <= 1e-6 * largest


def test_forest_interactions_equal_shap(samples):
    forest = RandomForestClassifier(5, random_state=0).fit(samples.x, samples.three)
    matrices, _, _ = explained(skops_bytes(forest), npy(samples.x[:30]), interactions=True)
    expected = shap.TreeExplainer(forest).shap_interaction_values(samples.x[:30])
    np.testing.assert_allclose(matrices, expected, **CLOSE)


def test_interventional_uses_the_whole_background(samples):
    forest = RandomForestRegressor(5, random_state=0).fit(samples.x, samples.number)
    background = samples.x[:110]  # shap would cut it to 100 rows
    values, _, info = explained(skops_bytes(forest), npy(samples.x), npy(background))
    explainer = shap.TreeExplainer(forest, independent(background))
    np.testing.assert_allclose(values, reference(explainer, samples.x), **SINGLE)
    assert info.engine.startswith("exact trees against a background (")
    assert info.base_values == pytest.approx([forest.predict(background).mean()], abs=1e-5)


@pytest.mark.parametrize(("params", "target"), XGB)
def test_interventional_xgboost_adds_up(samples, params, target):
    booster = xgb.train({**params, "nthread": 1}, xgb.DMatrix(samples.x, getattr(samples, target)), 8)
    values, _, info = explained(bytes(booster.save_raw("json")), npy(samples.x), npy(samples.x[:20]))
    margin = booster.predict(xgb.DMatrix(samples.x), output_margin=True).reshape(len(values), -1)
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, margin, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("params", "target"), LGB)
def test_interventional_lightgbm_adds_up(samples, params, target):
    booster = lightgbm(samples, params, target)
    values, _, info = explained(booster.model_to_string().encode(), npy(samples.x), npy(samples.x[:20]))
    margin = booster.predict(samples.x, raw_score=True).reshape(len(values), -1)
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, margin, **CLOSE)


def test_probabilities_of_boosted_trees(samples):
    booster = xgb.train({"objective": "binary:logistic", "nthread": 1}, xgb.DMatrix(samples.x, samples.two), 8)
    raw = bytes(booster.save_raw("json"))
    values, _, info = explained(raw, npy(samples.x), npy(samples.x[:20]), model_output="probability")
    assert (info.explainer, info.explains, info.outputs) == ("tree", "probability", ["1"])
    own = booster.predict(xgb.DMatrix(samples.x))
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + info.base_values[0], own, rtol=0, atol=1e-5)


LINEAR = [
    (LinearRegression(), "number"),
    (Ridge(), "number"),
    (LogisticRegression(), "two"),
    (LogisticRegression(), "three"),
    (SGDClassifier(random_state=0), "three"),
    (LinearSVC(), "two"),
]


@pytest.mark.parametrize(("estimator", "target"), LINEAR)
def test_linear_models_equal_shap(samples, estimator, target):
    estimator.fit(samples.x, getattr(samples, target))
    background = samples.x[:110]
    values, _, info = explained(skops_bytes(estimator), npy(samples.x), npy(background))
    expected = reference(shap.LinearExplainer(estimator, independent(background)), samples.x)
    np.testing.assert_allclose(values, expected, **CLOSE)
    assert info.explainer == "linear"


def test_svc_by_permutation_equals_shap(samples):
    machine = SVC().fit(samples.x, samples.three)
    rows, background = samples.x[:12], samples.x[20:60]
    values, _, info = explained(
        skops_bytes(machine), npy(rows), npy(background), explainer="permutation", seed=3, max_evals=66
    )
    explainer = shap.PermutationExplainer(machine.decision_function, independent(background), seed=3)
    np.testing.assert_allclose(values, explainer(rows, max_evals=66, silent=True).values, **CLOSE)
    assert (info.explainer, info.explains, info.outputs) == ("permutation", "margin", ["0", "1", "2"])


def test_permutation_of_a_pipeline_with_the_default_evaluations(samples):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(samples.x, samples.two)
    rows, background = samples.x[:5], samples.x[20:40]
    values, _, info = explained(skops_bytes(pipeline), npy(rows), npy(background), explainer="permutation")
    explainer = shap.PermutationExplainer(pipeline.predict_proba, independent(background), seed=0)
    np.testing.assert_allclose(values, explainer(rows, silent=True).values, **CLOSE)
    assert info.explains == "probability"


def test_raw_prefers_the_decision_function(samples):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(samples.x, samples.two)
    _, _, info = explained(skops_bytes(pipeline), npy(samples.x[:3]), npy(samples.x[20:30]), model_output="raw")
    assert (info.explains, info.outputs) == ("margin", ["1"])


def test_kernel_equals_shap_with_a_seed_a_row(samples):
    machine = SVC().fit(samples.x, samples.two)
    rows, background = samples.x[:3], samples.x[20:40]
    values, _, info = explained(
        skops_bytes(machine), npy(rows), npy(background), explainer="kernel", seed=9, nsamples=40
    )
    explainer = shap.KernelExplainer(machine.decision_function, background)
    for index, row in enumerate(rows):
        np.random.seed(9 + index)
        expected = explainer.shap_values(row[None], nsamples=40, l1_reg=False, silent=True)[0]
        np.testing.assert_allclose(values[index, :, 0], expected, **CLOSE)
    assert info.engine == "shap.KernelExplainer"


def test_kernel_does_not_zero_all_but_ten_features():
    x = np.random.default_rng(0).normal(size=(60, 14))
    model = make_pipeline(LinearRegression()).fit(x, x.sum(axis=1))
    values, _, _ = explained(skops_bytes(model), npy(x[:2]), npy(x[10:20]), explainer="kernel", nsamples=200)
    assert (np.abs(values) > 1e-9).all()


def test_missing_values_reach_the_boosters(samples):
    holes = samples.x.copy()
    holes[::7, 1] = np.nan
    booster = xgb.train({"nthread": 1}, xgb.DMatrix(holes, samples.number), 8)
    text = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(holes, samples.number), 8)
    hist = HistGradientBoostingRegressor(max_iter=8).fit(holes, samples.number)
    for model, estimator in (
        (bytes(booster.save_raw("ubj")), booster),
        (text.model_to_string().encode(), text),
        (skops_bytes(hist), hist),
    ):
        values, _, _ = explained(model, npy(holes))
        close = SINGLE if estimator is booster else CLOSE
        np.testing.assert_allclose(values, reference(shap.TreeExplainer(estimator), holes), **close)


def test_the_summary_of_a_small_job(samples):
    forest = RandomForestClassifier(8, random_state=0).fit(samples.x, np.array(["no", "yes"])[samples.two])
    values, heard, info = explained(skops_bytes(forest), npy(samples.x))
    summary = heard.one(Done).summary
    assert json.loads(json.dumps(summary)) == summary
    assert summary["outputs"] == info.outputs == ["no", "yes"]
    assert summary["features"] == ["f0", "f1", "f2", "f3", "f4"]
    np.testing.assert_allclose(summary["mean_abs_shap"], np.abs(values).mean(axis=0))
    first = summary["top_features"][0]
    assert first["feature"] == "f0"
    assert first["mean_abs_shap"] == pytest.approx(np.abs(values[:, 0]).mean(axis=0).sum())
    assert [entry["mean_abs_shap"] for entry in summary["top_features"]] == sorted(
        (entry["mean_abs_shap"] for entry in summary["top_features"]), reverse=True
    )


def test_a_trusted_pickle_is_explained(samples):
    import joblib

    forest = RandomForestRegressor(5, random_state=0, n_jobs=4).fit(samples.x, samples.number)
    file = io.BytesIO()
    joblib.dump(forest, file)
    values, _, _ = explained(file.getvalue(), npy(samples.x), trusted=True)
    np.testing.assert_allclose(values, reference(shap.TreeExplainer(forest), samples.x), **CLOSE)


def test_wrappers_of_boosters_in_a_trusted_pickle(samples):
    import joblib

    for estimator in (xgb.XGBClassifier(n_estimators=5), lgb.LGBMClassifier(n_estimators=5, verbose=-1)):
        estimator.fit(samples.x, samples.three)
        file = io.BytesIO()
        joblib.dump(estimator, file)
        values, _, info = explained(file.getvalue(), npy(samples.x), trusted=True)
        close = SINGLE if info.family == "xgboost" else CLOSE
        np.testing.assert_allclose(values, reference(shap.TreeExplainer(estimator), samples.x), **close)
        assert info.outputs == ["0", "1", "2"]


def test_nothing_is_printed_to_stdout(samples, capfd):
    machine = SVC().fit(samples.x, samples.two)
    explained(skops_bytes(machine), npy(samples.x[:40]), npy(samples.x[:10]), max_evals=11)
    explained(skops_bytes(machine), npy(samples.x[:4]), npy(samples.x[:10]), explainer="kernel", nsamples=20)
    assert capfd.readouterr().out == ""


def test_large_effects_that_cancel_add_up(samples):
    """XGBoost's own sum in 32 bits is off by more than the small output's share; in double precision it is not."""
    x = np.random.default_rng(0).normal(size=(400, 20))
    y = 1000.0 * x @ np.linspace(-1, 1, 20)
    model = xgb.XGBRegressor(n_estimators=200, max_depth=4, n_jobs=1).fit(x, y)
    raw = bytes(model.get_booster().save_raw("json"))
    additivity = explained(raw, npy(x))[1].one(Done).summary["additivity"]
    assert additivity["ok"]
    assert additivity["tolerance"] < 1e-3


@pytest.mark.parametrize(
    "estimator", [DecisionTreeClassifier(), RandomForestRegressor(2), GradientBoostingRegressor(n_estimators=2)]
)
def test_trees_without_a_split_give_zeros_and_the_base(samples, estimator):
    values, _, info = explained(skops_bytes(estimator.fit(samples.x, np.full(120, 3))), npy(samples.x))
    np.testing.assert_array_equal(values, 0)
    assert info.base_values[-1] == (1 if info.explains == "probability" else 3)


def test_a_booster_whose_leaves_cancel_may_be_off_by_what_they_round_to(samples):
    """Leaves of a hundred million that leave a sum of seven: what the sum may be off by follows the leaves."""
    booster = xgb.train({"nthread": 1, "max_depth": 2}, xgb.DMatrix(samples.x, samples.number), 2)
    document = json.loads(bytes(booster.save_raw("json")))
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    trees[1] = json.loads(json.dumps(trees[0])) | {"id": 1}
    for tree, sign in zip(trees, (1, -1), strict=True):
        for node, left in enumerate(tree["left_children"]):
            if left == -1:
                tree["split_conditions"][node] = sign * (1e10 + 3e9 * node)
    document["learner"]["learner_model_param"]["base_score"] = "[7E0]"
    model = json.dumps(document).encode()
    values, heard, info = explained(model, npy(samples.x))
    assert np.abs(values.sum(axis=1) + info.base_values - 7).max() > 1e-9 * 8
    assert heard.one(Done).summary["additivity"]["ok"]
