"""Model files that are truncated, garbled, hostile or not what they should be: refused, with the reason."""

import json
import re

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from child.models import sklearn_parts
from tests.child.support import explained, npy, refusal, skops_bytes


@pytest.fixture(scope="module")
def unsized(light):
    """Without `tree_sizes`, which would give away any change of a length."""
    return re.sub(r"(?m)^tree_sizes=.*\n", "", light)


def first_tree(document):
    return document["learner"]["gradient_booster"]["model"]["trees"][0]


def edited(boosted, edit) -> bytes:
    document = json.loads(bytes(boosted.save_raw("json")))
    edit(document)
    return json.dumps(document).encode()


XGB_EDITS = {
    "child too large": lambda d: first_tree(d)["left_children"].__setitem__(0, 10**6),
    "child negative": lambda d: first_tree(d)["right_children"].__setitem__(0, -7),
    "cycle": lambda d: first_tree(d)["left_children"].__setitem__(1, 0),
    "two parents": lambda d: first_tree(d)["left_children"].__setitem__(1, first_tree(d)["right_children"][0]),
    "one child": lambda d: first_tree(d)["left_children"].__setitem__(0, -1),
    "feature": lambda d: first_tree(d)["split_indices"].__setitem__(0, 5),
    "threshold": lambda d: first_tree(d)["split_conditions"].__setitem__(0, float("nan")),
    "short array": lambda d: first_tree(d)["split_conditions"].pop(),
    "nodes": lambda d: first_tree(d)["tree_param"].__setitem__("num_nodes", "99"),
    "no trees": lambda d: d["learner"]["gradient_booster"]["model"]["trees"].pop(),
    "group": lambda d: d["learner"]["gradient_booster"]["model"]["tree_info"].__setitem__(0, 9),
    "rounds": lambda d: d["learner"]["gradient_booster"]["model"]["iteration_indptr"].__setitem__(1, 77),
    "parents": lambda d: first_tree(d)["parents"].__setitem__(1, 10**6),
    "root's parent": lambda d: first_tree(d)["parents"].__setitem__(0, 17),
    "floats for ints": lambda d: first_tree(d)["left_children"].__setitem__(0, 1.5),
    "unknown booster": lambda d: d["learner"]["gradient_booster"].__setitem__("name", "evil"),
    "unknown objective": lambda d: d["learner"]["objective"].__setitem__("name", "evil"),
    "no learner": lambda d: d.__setitem__("learner", None),
}


def test_dart_with_a_wrong_number_of_weights_is_refused(samples):
    dart = xgb.train({"booster": "dart", "rate_drop": 0.5, "nthread": 1}, xgb.DMatrix(samples.x, samples.number), 4)
    document = json.loads(bytes(dart.save_raw("json")))
    booster = document["learner"]["gradient_booster"]
    weights = booster["weight_drop"] if "weight_drop" in booster else booster["model"]["weight_drop"]
    weights.pop()
    assert "weights" in refusal(json.dumps(document).encode()).message


@pytest.mark.parametrize("name", XGB_EDITS)
def test_hostile_xgboost_is_refused(boosted, name):
    failed = refusal(edited(boosted, XGB_EDITS[name]))
    assert (failed.kind, failed.code) == ("refused", "unreadable_model")


def test_an_unharmed_xgboost_passes(boosted):
    explained(edited(boosted, lambda d: None), npy(np.zeros((2, 5))))


def test_a_key_twice_is_refused(boosted):
    raw = bytes(boosted.save_raw("json"))
    twice = raw.replace(b'"left_children":', b'"left_children":[9,9,9],"left_children":', 1)
    assert "twice" in refusal(twice).message


@pytest.mark.parametrize("options", [{}, {"explainer": "exact"}])
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_categories_of_a_frame_are_what_rows_hold(samples, library, options):
    """Read with the library and without, and asked row by row: the values of the frame's own categories."""
    frame = pd.DataFrame(
        {"month": pd.Categorical(np.arange(120) % 12 + 1, categories=range(1, 13)), "x": samples.number}
    )
    y, rows = samples.number + 5 * (frame.month.isin([1, 5, 9])), np.ascontiguousarray(frame.astype(float))
    if library == "xgboost":
        booster = xgb.train({"nthread": 1}, xgb.DMatrix(frame, y, enable_categorical=True), 5)
        model, own = bytes(booster.save_raw("json")), booster.predict(xgb.DMatrix(frame, enable_categorical=True))
    else:
        params = {"verbose": -1, "num_threads": 1, "min_data_per_group": 1, "min_data_in_leaf": 5}
        booster = lgb.train(params, lgb.Dataset(frame, y), 5)
        model, own = booster.model_to_string().encode(), booster.predict(frame)
    values, _, info = explained(model, npy(rows), npy(rows[:9]) if options else None, **options)
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + info.base_values, own, rtol=0, atol=1e-4)


@pytest.mark.parametrize("explainer", ["auto", "permutation"])
@pytest.mark.parametrize("file_format", ["json", "ubj"])
def test_codes_of_categories_are_what_rows_hold_where_no_list_says_more(samples, file_format, explainer):
    codes = np.floor(np.abs(samples.x) * 3)
    data = xgb.DMatrix(codes, samples.number, feature_types=["c"] * 5, enable_categorical=True)
    booster = xgb.train({"nthread": 1, "max_depth": 2}, data, 2)
    model = bytes(booster.save_raw(file_format))
    values, _, info = explained(model, npy(codes[:9]), background=npy(codes[:3]), explainer=explainer)
    np.testing.assert_allclose(
        values.sum(axis=1)[:, 0] + info.base_values, booster.predict(data)[:9], rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("file_format", ["json", "ubj"])
def test_truncated_xgboost_is_refused(boosted, file_format):
    raw = bytes(boosted.save_raw(file_format))
    for length in (len(raw) - 1, len(raw) // 2, 12):
        assert refusal(raw[:length]).code == "unreadable_model"


def test_hostile_ubjson_is_refused(boosted):
    raw = bytes(boosted.save_raw("ubj"))
    place = raw.index(b"left_children") + len(b"left_children")
    assert raw[place : place + 4] == b"[$l#"
    size = 2 if raw[place + 4 : place + 5] == b"i" else 9
    harmed = bytearray(raw)
    harmed[place + 4 + size : place + 8 + size] = (10**6).to_bytes(4, "big")
    assert refusal(bytes(harmed)).code == "unreadable_model"


def set_first(text: str, key: str, value: str, position: int = 0) -> str:
    found = re.search(rf"(?m)^{key}=(.*)$", text)
    words = found[1].split(" ")
    words[position] = value
    return text[: found.start(1)] + " ".join(words) + text[found.end(1) :]


LIGHT_EDITS = {
    "child too large": lambda t: set_first(t, "left_child", "5000"),
    "leaf too large": lambda t: set_first(t, "right_child", "-5000"),
    "cycle": lambda t: set_first(t, "left_child", "0"),
    "feature": lambda t: set_first(t, "split_feature", "5"),
    "negative feature": lambda t: set_first(t, "split_feature", "-1"),
    "threshold": lambda t: set_first(t, "threshold", "nan"),
    "digits": lambda t: set_first(t, "split_feature", "0_1"),
    "inner value": lambda t: set_first(t, "internal_value", "1e999"),
    "leaf value": lambda t: set_first(t, "leaf_value", "inf"),
    "too few": lambda t: set_first(t, "left_child", ""),
    "leaves": lambda t: set_first(t, "num_leaves", "3"),
    "category": lambda t: set_first(t, "decision_type", "1"),
    "twice": lambda t: t.replace("left_child=", "left_child=9 9\nleft_child=", 1),
    "header twice": lambda t: t.replace("\nTree=0", "\nmax_feature_idx=0\n\nTree=0", 1),
    "features": lambda t: t.replace("max_feature_idx=4", "max_feature_idx=40"),
    "per round": lambda t: t.replace("num_tree_per_iteration=1", "num_tree_per_iteration=2"),
    "linear without models": lambda t: t.replace("is_linear=0", "is_linear=1", 1),
    "numbering": lambda t: t.replace("Tree=1", "Tree=7"),
    "truncated": lambda t: t[: len(t) // 3],
    "head only": lambda t: t[:30],
}


@pytest.mark.parametrize("name", LIGHT_EDITS)
def test_hostile_lightgbm_is_refused(unsized, name):
    text = LIGHT_EDITS[name](unsized)
    assert text != unsized
    failed = refusal(text.encode())
    assert (failed.kind, failed.code) == ("refused", "unreadable_model")


def test_trees_need_no_sizes_but_those_given_must_be_right(samples, light, unsized):
    values, _, _ = explained(unsized.encode(), npy(samples.x))
    np.testing.assert_array_equal(values, explained(light.encode(), npy(samples.x))[0])
    wrong = re.sub(r"(?m)^tree_sizes=.*$", "tree_sizes=99999 1 7", light)
    assert "tree_sizes" in refusal(wrong.encode()).message


LINEAR_EDITS = {
    "a feature of a leaf": lambda t: re.sub(r"(?m)^leaf_features=\d+", "leaf_features=9", t, count=1),
    "counts": lambda t: re.sub(r"(?m)^num_features=\d+", "num_features=7", t, count=1),
    "a negative count": lambda t: re.sub(r"(?m)^num_features=\d+", "num_features=-1", t, count=1),
    "a coefficient": lambda t: re.sub(r"(?m)^leaf_coeff=\S+", "leaf_coeff=nan", t, count=1),
    "a constant": lambda t: re.sub(r"(?m)^leaf_const=\S+", "leaf_const=inf", t, count=1),
}


def test_linear_leaves_are_left_to_what_asks_the_model(samples):
    """A limit of the tree engine is no fault of the file."""
    params = {"linear_tree": True, "verbose": -1, "num_threads": 1, "num_leaves": 4}
    booster = lgb.train(params, lgb.Dataset(samples.x, samples.number), 3)
    text = re.sub(r"(?m)^tree_sizes=.*\n", "", booster.model_to_string())
    values, _, info = explained(text.encode(), npy(samples.x[:5]), npy(samples.x[:9]))
    assert info.explainer == "exact"
    assert "linear_tree" in info.reason
    own = booster.predict(samples.x[:5])
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + info.base_values, own, rtol=0, atol=1e-9)
    for edit in LINEAR_EDITS.values():
        assert refusal(edit(text).encode()).code == "unreadable_model"


def test_leaves_that_are_vectors_are_explained(samples):
    params = {"nthread": 1, "max_depth": 3, "multi_strategy": "multi_output_tree", "tree_method": "hist"}
    booster = xgb.train(params, xgb.DMatrix(samples.x, samples.x[:, :2] ** 2), 3)
    document = json.loads(bytes(booster.save_raw("json")))
    for content in (bytes(booster.save_raw("ubj")), json.dumps(document).encode()):
        values, _, info = explained(content, npy(samples.x))
        assert (info.explainer, info.outputs) == ("tree", ["0", "1"])
        own = booster.predict(xgb.DMatrix(samples.x))
        np.testing.assert_allclose(values.sum(axis=1) + info.base_values, own, rtol=0, atol=1e-5)
    first_tree(document)["right_children"][-1] = 10**6
    assert refusal(json.dumps(document).encode()).code == "unreadable_model"


@pytest.mark.parametrize(("rounds", "best", "warned"), [(6, 2, True), (5, 3, False)])
def test_trees_in_parallel_that_a_file_does_not_tell_of_are_warned_of(samples, rounds, best, warned):
    """Before 1.4 XGBoost wrote neither their number nor where rounds begin."""
    booster = xgb.train({"nthread": 1}, xgb.DMatrix(samples.x, samples.number), rounds)
    document = json.loads(bytes(booster.save_raw("json")))
    model = document["learner"]["gradient_booster"]["model"]
    del model["iteration_indptr"], model["gbtree_model_param"]["num_parallel_tree"]
    document["learner"]["attributes"]["best_iteration"] = str(best)
    _, _, info = explained(json.dumps(document).encode(), npy(samples.x))
    assert [odd.code for odd in info.warnings] == (["parallel_trees_unknown"] if warned else [])
    assert not warned or "if it was 2" in info.warnings[0].message


def test_trees_in_parallel_are_counted_where_a_round_has_several_outputs(samples):
    params = {"nthread": 1, "num_parallel_tree": 2, "objective": "multi:softprob", "num_class": 3, "subsample": 0.5}
    data = xgb.DMatrix(samples.x, samples.three)
    booster = xgb.train(params, data, 4)
    document = json.loads(bytes(booster.save_raw("json")))
    model = document["learner"]["gradient_booster"]["model"]
    del model["iteration_indptr"], model["gbtree_model_param"]["num_parallel_tree"]
    document["learner"]["attributes"]["best_iteration"] = "1"
    values, _, info = explained(json.dumps(document).encode(), npy(samples.x))
    own = booster.predict(data, output_margin=True, iteration_range=(0, 2))
    np.testing.assert_allclose(values.sum(axis=1) + info.base_values, own, rtol=0, atol=1e-5)
    assert not info.warnings


def test_a_linear_booster_that_stopped_early_is_explained(samples):
    booster = xgb.train({"booster": "gblinear", "nthread": 1}, xgb.DMatrix(samples.x, samples.number), 4)
    booster.set_attr(best_iteration="2")
    _, _, info = explained(bytes(booster.save_raw("json")), npy(samples.x[:3]), npy(samples.x[:9]))
    assert info.explainer == "linear"


# --- scikit-learn ----------------------------------------------------------------------------------------------


def harmed_tree(estimator, edit):
    """The same estimator with its first tree's nodes edited, as a crafted file would hold them."""
    tree = next(part for part in sklearn_parts.parts(estimator) if type(part).__name__ == "Tree")
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    edit(state["nodes"])
    tree.__setstate__(state)
    return skops_bytes(estimator)


TREE_EDITS = {
    "child too large": lambda nodes: nodes["left_child"].__setitem__(0, 10**6),
    "child negative": lambda nodes: nodes["right_child"].__setitem__(0, -5),
    "cycle": lambda nodes: nodes["left_child"].__setitem__(0, 0),
    "feature": lambda nodes: nodes["feature"].__setitem__(0, 1000),
    "threshold": lambda nodes: nodes["threshold"].__setitem__(0, np.nan),
}


@pytest.mark.parametrize("name", TREE_EDITS)
@pytest.mark.parametrize("kind", [RandomForestRegressor, GradientBoostingRegressor])
def test_hostile_trees_are_refused(samples, kind, name):
    estimator = kind(n_estimators=2, random_state=0).fit(samples.x, samples.number)
    failed = refusal(harmed_tree(estimator, TREE_EDITS[name]))
    assert (failed.kind, failed.code) == ("refused", "unreadable_model")


def test_a_forest_that_hides_features_is_refused(samples):
    estimator = RandomForestRegressor(2, random_state=0).fit(samples.x, samples.number)
    estimator.n_features_in_ = 1
    assert refusal(skops_bytes(estimator)).code == "unreadable_model"


HISTOGRAM_EDITS = {
    "child": lambda nodes: nodes["left"].__setitem__(0, 10**6),
    "feature": lambda nodes: nodes["feature_idx"].__setitem__(0, 1000),
    "threshold": lambda nodes: nodes["num_threshold"].__setitem__(0, np.nan),
    "category": lambda nodes: nodes["is_categorical"].__setitem__(0, 1),
    "bitset": lambda nodes: (nodes["is_categorical"].__setitem__(0, 1), nodes["bitset_idx"].__setitem__(0, 10**6)),
}


@pytest.mark.parametrize("name", HISTOGRAM_EDITS)
def test_hostile_histogram_boosting_is_refused(samples, name):
    estimator = HistGradientBoostingRegressor(max_iter=2).fit(samples.x, samples.number)
    HISTOGRAM_EDITS[name](estimator._predictors[0][0].nodes)
    failed = refusal(skops_bytes(estimator))
    assert (failed.kind, failed.code) == ("refused", "unreadable_model")


@pytest.mark.parametrize("kind", [SVC, SVR])
def test_hostile_support_vectors_are_refused(samples, kind):
    estimator = kind().fit(samples.x, samples.two)
    assert sklearn_parts.check(estimator) is None
    estimator._dual_coef_ = estimator._dual_coef_[:, :3]
    assert refusal(skops_bytes(estimator)).code == "unreadable_model"


def test_other_types_are_refused_by_name(samples):
    model = skops_bytes(KNeighborsClassifier(algorithm="kd_tree").fit(samples.x, samples.two))
    failed = refusal(model)
    assert failed.code == "untrusted_types"
    assert "KDTree" in failed.message


def test_what_is_no_fitted_predictor_is_refused(samples):
    assert "not fitted" in refusal(skops_bytes(RandomForestRegressor())).message
    assert refusal(skops_bytes(StandardScaler().fit(samples.x))).code == "unsupported_model"
    assert refusal(skops_bytes({"a": 1})).code == "unsupported_model"
    assert refusal(skops_bytes(KMeans(2).fit(samples.x))).code == "background_required"


def test_pickles_are_refused_unless_trusted(samples):
    import pickle

    assert refusal(pickle.dumps(SVC())).code == "pickle_refused"


def test_garbage_is_refused():
    assert refusal(b"").code == "unreadable_model"
    assert refusal(b"PK\x03\x04garbage").code == "unreadable_model"
    assert refusal(b"GIF89a").code == "unsupported_media_type"
    assert refusal(b"{}").code == "unsupported_media_type"
    assert refusal(b'{"learner": 7}').code == "unreadable_model"
    assert refusal(b"tree\n").code == "unreadable_model"


def test_every_part_is_set_to_one_thread(samples):
    forest = RandomForestRegressor(2, n_jobs=4).fit(samples.x, samples.number)
    sklearn_parts.tame([{"inner": forest}])
    assert forest.n_jobs == 1
