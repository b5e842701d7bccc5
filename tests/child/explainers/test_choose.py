"""Which explainer suits which model, and what is refused because nothing explains it right."""

import dataclasses

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from child.explainers import trees
from child.models import sklearn_file
from jobs.protocol import Done
from shaptrees import engine
from tests.child.support import Supervisor, csv_bytes, explained, npy, refusal, skops_bytes


def test_auto_needs_a_background_where_only_sampling_works(samples):
    ada = skops_bytes(AdaBoostRegressor(n_estimators=3).fit(samples.x, samples.number))
    assert refusal(ada).code == "background_required"
    assert refusal(skops_bytes(LogisticRegression().fit(samples.x, samples.two))).code == "background_required"
    _, _, info = explained(ada, npy(samples.x[:3]), npy(samples.x[:10]), max_evals=11)
    assert info.explainer == "permutation"
    assert "AdaBoostRegressor" in info.reason


def test_a_multiclass_gradient_boosting_is_explained_by_its_trees(samples):
    estimator = GradientBoostingClassifier(n_estimators=3).fit(samples.x, samples.three)
    model = skops_bytes(estimator)
    for background in (None, npy(samples.x[:30])):
        values, _, info = explained(model, npy(samples.x), background, explainer="tree")
        assert (info.explainer, info.explains, info.outputs) == ("tree", "margin", ["0", "1", "2"])
        own = estimator.decision_function(samples.x)
        np.testing.assert_allclose(values.sum(axis=1) + info.base_values, own, rtol=0, atol=1e-9)
    asked = {"model_output": "probability", "max_evals": 11}
    _, _, info = explained(model, npy(samples.x[:3]), npy(samples.x[:10]), **asked)
    assert (info.explainer, info.explains) == ("permutation", "probability")
    assert "one by one" in info.reason
    assert refusal(model, None, npy(samples.x), explainer="tree", **asked).code == "unsupported_combination"


@pytest.mark.parametrize("with_background", [False, True])
@pytest.mark.parametrize("places", [[0], [2], [1, 4]])
def test_histogram_boosting_with_categories_is_explained_by_its_trees(samples, with_background, places):
    """Wherever they are: the model puts them first before it looks at a row."""
    x = samples.x.copy()
    x[:, places] = np.arange(len(x))[:, None] % 4
    y = samples.number + 3 * (x[:, places[-1]] == 2)
    estimator = HistGradientBoostingRegressor(max_iter=5, categorical_features=places).fit(x, y)
    values, _, info = explained(skops_bytes(estimator), npy(x), npy(x[:20]) if with_background else None)
    assert info.explainer == "tree"
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + info.base_values, estimator.predict(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"interactions": True}])
@pytest.mark.parametrize("with_background", [False, True])
def test_lightgbm_with_categories(samples, with_background, options):
    x = samples.x.copy()
    x[:, 0] = np.arange(len(x)) % 5
    params = {"verbose": -1, "num_threads": 1, "min_data_per_group": 1, "min_data_in_leaf": 5}
    y = samples.number + 3 * (x[:, 0] == 3)
    booster = lgb.train(params, lgb.Dataset(x, y, categorical_feature=[0]), 5)
    model = booster.model_to_string().encode()
    assert b"num_cat=1" in model
    values, heard, info = explained(model, npy(x), npy(x[:20]) if with_background else None, **options)
    assert info.explainer == "tree"
    assert heard.one(Done).summary["additivity"]["ok"]
    total = values.sum(axis=tuple(range(1, values.ndim - 1)))[:, 0] + info.base_values
    np.testing.assert_allclose(total, booster.predict(x), rtol=0, atol=1e-9)


def test_forests_of_xgboost_take_a_background(samples):
    params = {"nthread": 1, "num_parallel_tree": 2, "subsample": 0.5}
    booster = xgb.train(params, xgb.DMatrix(samples.x, samples.number), 3)
    values, _, info = explained(bytes(booster.save_raw("json")), npy(samples.x), npy(samples.x))
    own = booster.predict(xgb.DMatrix(samples.x))
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + info.base_values, own, rtol=0, atol=1e-5)


def test_trees_after_the_best_round_are_left_out(samples):
    data = xgb.DMatrix(samples.x, samples.number)
    noise = xgb.DMatrix(samples.x, samples.number[::-1])
    booster = xgb.train({"nthread": 1}, data, 30, evals=[(noise, "noise")], early_stopping_rounds=3, verbose_eval=False)
    best = booster.best_iteration + 1
    assert best < booster.num_boosted_rounds()
    values, _, info = explained(bytes(booster.save_raw("ubj")), npy(samples.x))
    own = booster.predict(data, iteration_range=(0, best))
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + info.base_values, own, rtol=0, atol=1e-5)


def test_an_isolation_forest_is_explained_by_its_path_lengths(samples):
    import shap

    estimator = IsolationForest(n_estimators=20, max_features=3, random_state=0).fit(samples.x)
    model = skops_bytes(estimator)
    values, _, info = explained(model, npy(samples.x))
    assert (info.explains, info.outputs) == ("path_length", ["path_length"])
    expected = shap.TreeExplainer(estimator).shap_values(samples.x)
    np.testing.assert_allclose(values[..., 0], expected, rtol=0, atol=1e-9)
    total = values.sum(axis=1)[:, 0] + info.base_values[0]
    unit = 2 * (np.log(119) + np.euler_gamma) - 2 * 119 / 120
    np.testing.assert_allclose(2 ** (-total / unit), -estimator.score_samples(samples.x), rtol=0, atol=1e-9)
    _, _, info = explained(model, npy(samples.x[:2]), npy(samples.x[:5]), explainer="permutation", max_evals=11)
    assert info.explains == "margin"


def test_a_forest_of_lightgbm_is_averaged(samples):
    params = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5, "verbose": -1, "num_threads": 1}
    booster = lgb.train(params, lgb.Dataset(samples.x, samples.number), 5)
    values, heard, info = explained(booster.model_to_string().encode(), npy(samples.x))
    assert heard.one(Done).summary["additivity"]["ok"]
    own = booster.predict(samples.x)
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + info.base_values, own, rtol=0, atol=1e-9)


def test_gradient_boosting_from_another_model_is_sampled(samples):
    estimator = GradientBoostingRegressor(init=LinearRegression(), n_estimators=3).fit(samples.x, samples.number)
    _, _, info = explained(skops_bytes(estimator), npy(samples.x[:3]), npy(samples.x[:10]), max_evals=11)
    assert info.explainer == "permutation"
    assert "another model" in info.reason


def test_dart_is_explained_by_its_trees(samples):
    trained = xgb.train({"booster": "dart", "nthread": 1}, xgb.DMatrix(samples.x, samples.number), 4)
    _, heard, info = explained(bytes(trained.save_raw("json")), npy(samples.x[:5]), npy(samples.x[:9]))
    assert info.explainer == "tree"
    assert heard.one(Done).summary["additivity"]["ok"]


@pytest.mark.parametrize(("objective", "target"), [("binary:logistic", "two"), ("multi:softprob", "three")])
def test_a_gblinears_margin_is_linear_and_its_probability_is_asked_for(samples, objective, target):
    """Its own contributions are those against a row of zeros; what is missing counts as zero."""
    x = samples.x.copy()
    x[::4, 2] = np.nan
    params = {"booster": "gblinear", "nthread": 1, "objective": objective}
    params |= {"num_class": 3} if target == "three" else {}
    trained = xgb.train(params, xgb.DMatrix(x, getattr(samples, target)), 4)
    model, rows, background = bytes(trained.save_raw("json")), x[:5], x[50:61]
    values, _, info = explained(model, npy(rows), npy(background))
    own, mean = (trained.predict(xgb.DMatrix(some), pred_contribs=True) for some in (rows, background))
    wanted = np.moveaxis((own - mean.mean(axis=0)).reshape(5, -1, 6), 1, 2)[:, :-1]
    np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-6)
    assert (info.explainer, info.explains) == ("linear", "margin")
    _, _, info = explained(model, npy(rows), npy(background), model_output="probability")
    assert (info.explainer, info.explains) == ("exact", "probability")
    assert "gblinear has no trees; nor as a linear model, as the probability of a linear model" in info.reason


def test_ensembles_of_ensembles_are_sampled(samples):
    members = [("a", LogisticRegression()), ("b", RandomForestClassifier(3)), ("c", SVC())]
    for estimator in (VotingClassifier(members[:2], voting="soft"), StackingClassifier(members, cv=2)):
        model = skops_bytes(estimator.fit(samples.x, samples.two))
        _, _, info = explained(model, npy(samples.x[:2]), npy(samples.x[:5]), max_evals=11)
        assert (info.explainer, info.outputs) == ("permutation", ["0", "1"])


def test_labels_are_explained_one_by_one_and_not_as_numbers(samples):
    """Hard votes, with labels that are text, and clusters: whether each of them is predicted."""
    answers = np.array(["no", "yes", "maybe"])[samples.three]
    votes = VotingClassifier([("a", LogisticRegression()), ("b", RandomForestClassifier(3))]).fit(samples.x, answers)
    clusters = KMeans(3, n_init=1, random_state=0).fit(samples.x)
    for estimator, labels in ((votes, ["maybe", "no", "yes"]), (clusters, [0, 1, 2])):
        values, _, info = explained(skops_bytes(estimator), npy(samples.x[:5]), npy(samples.x[50:60]))
        assert (info.explains, info.outputs) == ("label", [str(label) for label in labels])
        own = estimator.predict(samples.x[:5])[:, None] == np.array(labels)
        np.testing.assert_allclose(values.sum(axis=1) + info.base_values, own, rtol=0, atol=1e-9)


def test_a_classifier_of_several_targets_has_an_output_for_each_class(samples):
    targets = np.c_[samples.two, samples.three]
    for estimator in (RandomForestClassifier(3, random_state=0), KNeighborsClassifier(algorithm="brute")):
        own = np.concatenate(estimator.fit(samples.x, targets).predict_proba(samples.x[:5]), axis=1)
        values, _, info = explained(skops_bytes(estimator), npy(samples.x[:5]), npy(samples.x[50:60]))
        assert (info.explains, info.outputs) == ("probability", ["0: 0", "0: 1", "1: 0", "1: 1", "1: 2"])
        np.testing.assert_allclose(values.sum(axis=1) + info.base_values, own, rtol=0, atol=1e-9)


def test_a_pipeline_that_picks_columns_by_name(samples):
    import pandas as pd

    frame = pd.DataFrame(samples.x, columns=samples.columns)
    columns = ColumnTransformer([("some", StandardScaler(), ["col1", "col3"])], remainder="passthrough")
    pipeline = make_pipeline(columns, LogisticRegression()).fit(frame, samples.two)
    rows = csv_bytes(samples.columns[::-1], samples.x[:4, ::-1])
    values, _, info = explained(skops_bytes(pipeline), rows, csv_bytes(samples.columns, samples.x[:9]))
    own = pipeline.decision_function(frame[:4])[:, None]
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, own, rtol=0, atol=1e-6)
    assert info.explainer == "linear"


def test_interactions_are_for_trees(samples, forest):
    logistic = skops_bytes(LogisticRegression().fit(samples.x, samples.two))
    assert refusal(logistic, None, npy(samples.x), interactions=True).code == "unsupported_combination"
    assert (
        refusal(forest, None, npy(samples.x), interactions=True, explainer="kernel").detail["asked"] == "interactions"
    )
    booster = xgb.train({"objective": "binary:logistic", "nthread": 1}, xgb.DMatrix(samples.x, samples.two), 3)
    failed = refusal(
        bytes(booster.save_raw("json")), None, npy(samples.x), interactions=True, model_output="probability"
    )
    assert (failed.code, failed.detail["asked"]) == ("unsupported_combination", "interactions")


def test_interactions_against_a_background_add_up_to_the_values(samples, forest):
    values, _, _ = explained(forest, npy(samples.x[:20]), npy(samples.x[50:70]))
    matrices, heard, _ = explained(forest, npy(samples.x[:20]), npy(samples.x[50:70]), interactions=True)
    np.testing.assert_allclose(matrices.sum(axis=2), values, rtol=0, atol=1e-9)
    np.testing.assert_allclose(matrices, matrices.swapaxes(1, 2), rtol=0, atol=1e-12)
    assert heard.one(Done).summary["additivity"]["ok"]


def test_probabilities_of_boosted_trees_need_a_background(samples):
    """Whatever takes none is offered."""
    for objective, target in (("binary:logistic", "two"), ("multi:softprob", "three")):
        params = {"objective": objective, "nthread": 1} | ({"num_class": 3} if target == "three" else {})
        booster = xgb.train(params, xgb.DMatrix(samples.x, getattr(samples, target)), 3)
        failed = refusal(bytes(booster.save_raw("json")), model_output="probability")
        assert failed.code == "background_required"
        assert "or leave `model_output` out" in failed.message


def test_who_needs_a_background_hears_why_and_what_works_without_one(samples, boosted):
    machine = SVC().fit(samples.x, samples.two)
    message = refusal(skops_bytes(machine)).message
    assert "The exact explainer for SVC needs a background" in message
    assert "nothing explains it without one. It is not explained by its trees, as SVC is none of" in message
    asked = {"explainer": "permutation", "model_output": "probability"}
    message = refusal(bytes(boosted.save_raw("json")), **asked).message
    assert "or leave `explainer` and `model_output` out to have it explained without one." in message


def test_probabilities_by_rescaling_are_called_that(samples, boosted):
    model, rows, background = bytes(boosted.save_raw("json")), npy(samples.x[:5]), npy(samples.x[:9])
    _, heard, info = explained(model, rows, background, model_output="probability")
    assert info.engine.startswith("trees against a background, rescaled to probabilities (")
    assert [found.code for found in info.warnings] == ["rescaled_probability"]
    assert heard.one(Done).summary["warnings"][0]["code"] == "rescaled_probability"
    for options in ({}, {"model_output": "probability", "explainer": "exact"}):
        assert explained(model, rows, background, **options)[2].warnings == []


def test_probabilities_of_a_regression_are_refused(samples, forest):
    assert refusal(forest, model_output="probability", explainer="tree").code == "unsupported_combination"
    assert refusal(forest, None, npy(samples.x), model_output="probability").code == "unsupported_combination"


def test_too_few_evaluations(samples):
    model = skops_bytes(SVC().fit(samples.x, samples.two))
    assert refusal(model, None, npy(samples.x), max_evals=10).code == "invalid_options"


def test_values_that_do_not_add_up_fail_the_job(samples, forest, monkeypatch):
    parts = {"model": forest, "data": npy(samples.x)}
    with monkeypatch.context() as patch:
        right = engine.shap_values
        patch.setattr(trees.engine, "shap_values", lambda found, rows: right(found, rows) + 1e-6)
        checked, unchecked = Supervisor(parts), Supervisor(parts)
        checked.load()
        unchecked.load(check_additivity=False)
    failed = checked.open().failed
    assert (failed.kind, failed.code) == ("refused", "additivity")
    assert failed.detail["largest_error"] > failed.detail["tolerance"]
    summary = unchecked.open().one(Done).summary
    assert summary["additivity"]["ok"] is False


@pytest.mark.parametrize("harm", ["threshold", "missing", "values", "left"])
def test_arrays_that_are_not_the_model_are_found_out(samples, monkeypatch, harm):
    """A last digit of a threshold, a millionth of a leaf, one missing direction, two children swapped."""
    x = samples.x.copy()
    x[::5] = np.nan
    model = skops_bytes(HistGradientBoostingRegressor(max_iter=3).fit(x, samples.number))
    right = sklearn_file.convert

    def wrong(estimator, **how):
        read = right(estimator, **how)
        found = read.trees
        array = getattr(found, harm).copy()
        if harm == "threshold":
            array[0] = np.nextafter(array[0], np.inf)
        elif harm == "missing":
            array[0] = 1 - array[0]
        elif harm == "values":
            array[-1] += 1e-6
        else:
            array[0], other = found.right[0], found.right.copy()
            other[0] = found.left[0]
            return dataclasses.replace(read, trees=dataclasses.replace(found, left=array, right=other))
        return dataclasses.replace(read, trees=dataclasses.replace(found, **{harm: array}))

    monkeypatch.setattr(sklearn_file, "convert", wrong)
    failed = refusal(model)
    assert (failed.kind, failed.code) == ("refused", "conversion")
    assert failed.detail["largest_error"] > failed.detail["tolerance"]
