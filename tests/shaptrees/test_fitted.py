"""Every way to hand over a model gives the trees of that model: estimators, boosters, paths, bytes, dictionaries."""

import json
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import shap
import xgboost
from sklearn.ensemble import GradientBoostingRegressor, IsolationForest, RandomForestRegressor

from shaptrees import TreeExplainer, UnreadableModel, UnsupportedModel
from shaptrees.fitted import fitted

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(150, 4))
Y = X[:, 0] * X[:, 1] + X[:, 2]


def boosted(**options: Any) -> xgboost.XGBRegressor:
    return xgboost.XGBRegressor(n_estimators=8, max_depth=3, n_jobs=1, **options)


def test_xgboost_as_estimator_booster_path_and_bytes(tmp_path: Path) -> None:
    model = boosted().fit(X, Y)
    expected = TreeExplainer(model).shap_values(X)
    for suffix in ("json", "ubj"):
        model.save_model(tmp_path / f"model.{suffix}")
        content = (tmp_path / f"model.{suffix}").read_bytes()
        for given in (tmp_path / f"model.{suffix}", str(tmp_path / f"model.{suffix}"), content, bytearray(content)):
            assert np.array_equal(TreeExplainer(given).shap_values(X), expected)
    assert np.array_equal(TreeExplainer(model.get_booster()).shap_values(X), expected)
    assert np.array_equal(TreeExplainer(model).shap_values(xgboost.DMatrix(X)), expected)


def test_lightgbm_as_estimator_booster_path_and_bytes(tmp_path: Path) -> None:
    model = lightgbm.LGBMRegressor(n_estimators=8, n_jobs=1, verbose=-1).fit(X, Y)
    model.booster_.save_model(tmp_path / "model.txt")
    expected = TreeExplainer(model).shap_values(X)
    for given in (model.booster_, tmp_path / "model.txt", (tmp_path / "model.txt").read_bytes()):
        assert np.array_equal(TreeExplainer(given).shap_values(X), expected)


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    (tmp_path / "no").write_bytes(b"nothing")
    with pytest.raises(UnreadableModel):
        TreeExplainer(tmp_path / "no")
    with pytest.raises(FileNotFoundError):
        TreeExplainer(tmp_path / "away")


def test_early_stopping_leaves_later_trees_out() -> None:
    model = boosted(early_stopping_rounds=1, learning_rate=3.0).fit(
        X[:100], Y[:100], eval_set=[(X[100:], Y[100:])], verbose=False
    )
    explainer = TreeExplainer(model)
    assert explainer.model.tree_limit == model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    explainer.shap_values(X)  # is compared with what the model predicts


def test_xgboost_s_own_marker_of_missing_values() -> None:
    gaps = np.where(RANDOM.random(X.shape) < 0.2, 1e-8, X)
    model = boosted(missing=1e-8).fit(gaps, Y)
    explainer = TreeExplainer(model)
    values = explainer.shap_values(gaps)
    assert np.array_equal(values, explainer.shap_values(np.where(gaps == 1e-8, np.nan, X)))
    assert np.allclose(values.sum(axis=1) + explainer.expected_value, model.predict(gaps), atol=1e-5)


def test_categories_of_a_data_frame_are_those_of_training(tmp_path: Path) -> None:
    letters = pd.Categorical(RANDOM.choice(["a", "b", "c", "d"], len(X)))
    table = pd.DataFrame(X, columns=list("pqrs")).assign(letter=letters)
    model = lightgbm.LGBMRegressor(n_estimators=8, n_jobs=1, verbose=-1).fit(table, Y + 3 * (letters == "b"))
    fewer = table[table.letter.isin(["b", "d"])].copy()
    fewer["letter"] = fewer.letter.cat.remove_unused_categories()
    model.booster_.save_model(tmp_path / "model.txt")
    for given in (model, tmp_path / "model.txt"):
        explainer = TreeExplainer(given)
        total = explainer.shap_values(fewer).sum(axis=1) + explainer.expected_value
        assert np.allclose(total, model.predict(fewer))
    with pytest.raises(ValueError, match="1 columns of categories, the table has 0"):
        explainer.shap_values(table.assign(letter=1.0))


@pytest.mark.parametrize("known", [["a", "b", "c", "d"], [12, 1, 5, 2]], ids=str)
def test_categories_of_a_data_frame_are_xgboosts(tmp_path: Path, known: list[Any]) -> None:
    """Text, and numbers that are no positions; a frame that lists others, or in another order."""
    drawn = RANDOM.choice(len(known), len(X))
    table = pd.DataFrame(X, columns=list("pqrs")).assign(
        kind=pd.Categorical.from_codes(drawn, categories=known), other=pd.Categorical(np.where(X[:, 0] > 0, 7, 3))
    )
    model = boosted(enable_categorical=True, max_cat_to_onehot=1).fit(table, Y + 3 * (drawn == 1))
    fewer = table[np.isin(drawn, [1, 3])].copy()
    fewer["kind"] = fewer.kind.cat.set_categories([known[3], known[1]])
    model.get_booster().save_model(tmp_path / "model.json")
    for given in (model, model.get_booster(), tmp_path / "model.json"):
        for data in (None, table[:30]):
            explainer = TreeExplainer(given, data)
            total = explainer.shap_values(fewer).sum(axis=1) + explainer.expected_value
            assert np.allclose(total, model.predict(fewer), atol=1e-5)
    with pytest.raises(ValueError, match="2 columns of categories, the table has 1"):
        explainer.shap_values(table.assign(kind=drawn.astype(float)))
    with pytest.raises(ValueError, match="column kind holds 99, none of the categories"):
        explainer.shap_values(table.assign(kind=pd.Categorical(np.full(len(X), 99))))
    with pytest.raises(ValueError, match="pass the data frame itself"):
        explainer.shap_values(xgboost.DMatrix(fewer, enable_categorical=True))


def dictionary(model: Any, **whole: Any) -> dict[str, Any]:
    trees = [estimator.tree_ for estimator in model.estimators_]
    return {
        "trees": [
            {
                "children_left": tree.children_left,
                "children_right": tree.children_right,
                "children_default": tree.children_right,
                "features": tree.feature,
                "thresholds": tree.threshold,
                "values": tree.value.reshape(-1, 1) / len(trees),
                "node_sample_weight": tree.weighted_n_node_samples,
            }
            for tree in trees
        ],
        **whole,
    }


def test_dictionaries_of_trees_in_any_order_of_nodes() -> None:
    model = RandomForestRegressor(n_estimators=4, max_depth=4).fit(X, Y)
    expected = TreeExplainer(model).shap_values(X)
    given = dictionary(model, input_dtype=np.float32)
    turned = [{name: backwards(name, array) for name, array in tree.items()} for tree in given["trees"]]
    for trees in (given["trees"], turned):
        explainer = TreeExplainer({**given, "trees": trees, "base_offset": 2.5})
        assert np.allclose(explainer.shap_values(X), expected)
        assert np.isclose(explainer.expected_value, TreeExplainer(model).expected_value + 2.5)
    assert np.allclose(TreeExplainer(given).shap_values(X), shap.TreeExplainer(given).shap_values(X), atol=1e-6)


def backwards(name: str, array: Any) -> Any:
    """All nodes but the root in the opposite order."""
    order = np.concatenate([[0], np.arange(len(array) - 1, 0, -1)])
    array = array[order]
    return np.where(array > 0, len(order) - array, array) if name.startswith("children") else array


def test_a_dictionary_takes_wider_rows_than_its_trees_look_at() -> None:
    given = dictionary(RandomForestRegressor(n_estimators=2, max_depth=2).fit(X[:, :2], Y))
    for options in ({}, {"data": X[:9]}):
        values = TreeExplainer(given, **options).shap_values(X)
        assert values.shape == X.shape
        assert not values[:, 2:].any()


def test_trees_in_a_list_of_objects() -> None:
    model = RandomForestRegressor(n_estimators=2, max_depth=3).fit(X, Y)
    given = [shap.explainers._tree.SingleTree(tree) for tree in dictionary(model)["trees"]]
    assert np.allclose(TreeExplainer(given).shap_values(X), TreeExplainer(model).shap_values(X), atol=1e-6)


def test_dictionaries_that_are_no_trees_are_refused() -> None:
    (tree,) = dictionary(RandomForestRegressor(n_estimators=1, max_depth=2).fit(X, Y))["trees"]
    circle = {**tree, "children_left": np.where(tree["children_left"] > 0, 0, -1)}
    for broken in ({"trees": []}, {"trees": [circle]}, {"trees": [{**tree, "values": tree["values"][:1]}]}):
        with pytest.raises(UnreadableModel):
            fitted(broken)


def test_catboost_explains_itself() -> None:
    table = pd.DataFrame(X, columns=list("pqrs")).assign(letter=RANDOM.choice(["a", "b"], len(X)))
    model = catboost.CatBoostRegressor(iterations=5, depth=3, verbose=False, allow_writing_files=False)
    model.fit(table, Y, cat_features=["letter"])
    explainer = TreeExplainer(model)
    assert np.allclose(explainer.shap_values(table).sum(axis=1) + explainer.expected_value, model.predict(table))
    found = explainer(table, interactions=True)
    assert np.allclose(found.values.sum(axis=(1, 2)) + found.base_values, model.predict(table))
    with pytest.raises(NotImplementedError, match="without a background"):
        TreeExplainer(model, table)


def test_models_that_cannot_be_explained_say_why() -> None:
    linear = lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1, linear_tree=True).fit(X, Y)
    start = GradientBoostingRegressor(n_estimators=3, init=RandomForestRegressor(n_estimators=2)).fit(X, Y)
    for model in (linear, boosted(booster="gblinear").fit(X, Y), start):
        with pytest.raises((UnsupportedModel, UnreadableModel)):
            fitted(model)


def test_an_isolation_forest_of_some_columns() -> None:
    model = IsolationForest(n_estimators=5, max_features=0.5, max_samples=64).fit(X)
    TreeExplainer(model).shap_values(X)  # is compared with what the model's scores say of path lengths


def test_the_objective_says_which_loss_there_is() -> None:
    content = json.loads(bytes(boosted().fit(X, Y).get_booster().save_raw("json")))
    assert fitted(json.dumps(content).encode()).loss == "squared_error"
    assert fitted(boosted(objective="reg:absoluteerror").fit(X, Y)).loss is None
