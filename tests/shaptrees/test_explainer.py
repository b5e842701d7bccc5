"""TreeExplainer against shap's, where shap is right: signature, shapes, values, and what shap cannot do."""

import pickle
import re
import warnings
from typing import Any

import cloudpickle
import lightgbm
import numpy as np
import pytest
import shap
import xgboost
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)

from shaptrees import AdditivityError, FeatureCount, TreeExplainer, UnsupportedModel

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 5))
NUMBER = X[:, 0] * X[:, 1] + X[:, 2]
YES = (NUMBER > 0).astype(int)
CLASSES = np.digitize(NUMBER, [-0.7, 0.7])
BACK = X[100:140]
SMALL = {"n_estimators": 12, "max_depth": 4}


def light(kind: Any) -> Any:
    return kind(**SMALL, n_jobs=1, verbose=-1, min_child_samples=5)


MODELS = {
    "xgboost": xgboost.XGBRegressor(**SMALL, n_jobs=1).fit(X, NUMBER),
    "xgboost, two classes": xgboost.XGBClassifier(**SMALL, n_jobs=1).fit(X, YES),
    "xgboost, classes": xgboost.XGBClassifier(**SMALL, n_jobs=1).fit(X, CLASSES),
    "xgboost, forest": xgboost.XGBRFRegressor(**SMALL, n_jobs=1).fit(X, NUMBER),
    "lightgbm": light(lightgbm.LGBMRegressor).fit(X, NUMBER),
    "lightgbm, two classes": light(lightgbm.LGBMClassifier).fit(X, YES),
    "lightgbm, classes": light(lightgbm.LGBMClassifier).fit(X, CLASSES),
    "forest": RandomForestClassifier(**SMALL).fit(X, YES),
    "extra trees": ExtraTreesRegressor(**SMALL).fit(X, np.column_stack([NUMBER, X[:, 3]])),
    "boosting": GradientBoostingClassifier(**SMALL).fit(X, YES),
    "histogram": HistGradientBoostingRegressor(max_iter=12).fit(X, NUMBER),
    "isolation": IsolationForest(n_estimators=12).fit(X),
}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
FOREST, BOOSTED, TWO = MODELS["forest"], MODELS["xgboost"], MODELS["xgboost, two classes"]


@each_model
def test_values_shapes_and_expected_value_are_those_of_shap(model: Any) -> None:
    theirs, ours = shap.TreeExplainer(model), TreeExplainer(model)
    values = theirs.shap_values(X[:20])
    assert np.allclose(ours.shap_values(X[:20]), values, atol=1e-5)
    assert np.allclose(ours.expected_value, theirs.expected_value, atol=1e-5)
    assert np.size(ours.expected_value) == np.size(theirs.expected_value)
    for row in (X[3], X[3].tolist()):
        assert np.allclose(ours.shap_values(row), values[3], atol=1e-5)


@each_model
def test_interactions_have_shap_s_shape_and_add_up_to_values(model: Any) -> None:
    ours = TreeExplainer(model)
    pairs = ours.shap_interaction_values(X[:5])
    assert pairs.shape == shap.TreeExplainer(model).shap_interaction_values(X[:5]).shape
    assert np.allclose(pairs.sum(axis=2), ours.shap_values(X[:5]))
    assert np.array_equal(ours.shap_interaction_values(X[1]), pairs[1])


@each_model
def test_against_a_background_of_all_its_rows(model: Any) -> None:
    ours = TreeExplainer(model, BACK)
    assert ours.feature_perturbation == "interventional"
    raw = ours.model.predict(X[:9])
    assert np.allclose(ours.expected_value, ours.model.predict(BACK).mean(axis=0))
    assert np.allclose(ours.shap_values(X[:9]).sum(axis=1) + ours.expected_value, raw)
    assert np.allclose(ours.shap_interaction_values(X[:9]).sum(axis=2), ours.shap_values(X[:9]))
    if isinstance(model, xgboost.XGBRFRegressor):
        return  # shap refuses
    assert np.allclose(ours.shap_values(X[:9]), shap.TreeExplainer(model, BACK).shap_values(X[:9]), atol=1e-5)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "forest", "boosting"])
def test_covers_of_a_background_take_the_place_of_training(name: str) -> None:
    """Where rows reach every node; shap's values do not add up where they do not."""
    way, half = "tree_path_dependent", np.vstack([X, X[:100]])
    ours, theirs = (kind(MODELS[name], half, feature_perturbation=way) for kind in (TreeExplainer, shap.TreeExplainer))
    theirs.data = None
    few = TreeExplainer(MODELS[name], X[:7], feature_perturbation=way)
    assert np.isclose(np.mean(few.expected_value), few.model.predict(X[:7]).mean(), atol=1e-4)
    few.shap_values(X[:9])
    assert not np.allclose(ours.expected_value, TreeExplainer(MODELS[name]).expected_value, atol=1e-4)
    assert np.allclose(ours.expected_value, ours.model.predict(half).mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("name", ["xgboost", "xgboost, classes", "forest", "histogram", "extra trees"])
def test_approximate_values_are_saabas(name: str) -> None:
    ours, theirs = TreeExplainer(MODELS[name]), shap.TreeExplainer(MODELS[name])
    expected = theirs.shap_values(X[:9], approximate=True)
    assert np.allclose(ours.shap_values(X[:9], approximate=True), expected, atol=1e-5)
    assert not np.allclose(ours.shap_values(X[:9]), expected, atol=1e-3)


@pytest.mark.parametrize("name", ["xgboost", "xgboost, classes", "forest", "boosting"])
def test_tree_limit_takes_the_first_trees(name: str) -> None:
    limit = 2 * getattr(MODELS[name], "n_classes_", 1) if name.startswith("xgboost") else 2
    ours, theirs = TreeExplainer(MODELS[name]), shap.TreeExplainer(MODELS[name])
    expected = theirs.shap_values(X[:9], tree_limit=limit, check_additivity=False)
    assert np.allclose(ours.shap_values(X[:9], tree_limit=limit), expected, atol=1e-5)
    assert np.array_equal(ours.shap_values(X[:9], tree_limit=-1), ours.shap_values(X[:9]))
    with pytest.raises(ValueError, match="at least one tree"):
        ours.shap_values(X, tree_limit=0)


def test_probabilities_of_a_boosted_classifier() -> None:
    ours, theirs = (kind(TWO, BACK, model_output="probability") for kind in (TreeExplainer, shap.TreeExplainer))
    values = ours.shap_values(X[:9])
    assert np.allclose(values, theirs.shap_values(X[:9]), atol=1e-5)
    assert np.allclose(values.sum(axis=1) + ours.expected_value, TWO.predict_proba(X[:9])[:, 1], atol=1e-5)
    doubled = TreeExplainer(TWO, BACK, model_output="predict_proba")
    assert np.array_equal(doubled.shap_values(X[:9]), np.stack([-values, values], axis=-1))
    assert np.allclose(doubled.expected_value, [1 - ours.expected_value, ours.expected_value])


def test_a_forest_s_trees_are_probabilities_already() -> None:
    for output in ("probability", "predict_proba"):
        explainer = TreeExplainer(FOREST, model_output=output)
        assert np.array_equal(explainer.shap_values(X[:5]), TreeExplainer(FOREST).shap_values(X[:5]))


@pytest.mark.parametrize(("name", "y"), [("xgboost", NUMBER), ("xgboost, two classes", YES), ("lightgbm", NUMBER)])
def test_losses_need_labels_and_add_up(name: str, y: Any) -> None:
    ours, theirs = (kind(MODELS[name], BACK, model_output="log_loss") for kind in (TreeExplainer, shap.TreeExplainer))
    values = ours.shap_values(X[:9], y[:9])
    assert np.allclose(values, theirs.shap_values(X[:9], y[:9]), atol=1e-4)
    assert np.allclose(ours.expected_value(1), theirs.expected_value(1), atol=1e-5)
    raw = ours.model.predict(X[:9])
    loss = (y[:9] - raw) ** 2 if y is NUMBER else np.log1p(np.exp(raw)) - y[:9] * raw
    assert np.allclose(values.sum(axis=1) + ours.expected_value(y[:9]), loss)
    with pytest.raises(ValueError, match="a label y for each of the 9 rows"):
        ours.shap_values(X[:9])


def test_what_a_model_does_not_have_is_said() -> None:
    for model, output, kind in (
        (TWO, "no such", ValueError),
        (BOOSTED, "probability", NotImplementedError),
        (MODELS["xgboost, classes"], "probability", NotImplementedError),
        (TWO, "predict", NotImplementedError),
        (FOREST, "log_loss", NotImplementedError),
    ):
        with pytest.raises(kind):
            TreeExplainer(model, BACK, model_output=output)
    with pytest.raises(ValueError, match="needs a background"):
        TreeExplainer(TWO, model_output="probability")
    with pytest.raises(NotImplementedError, match="of the raw output"):
        TreeExplainer(TWO, BACK, model_output="probability").shap_interaction_values(X)


def test_feature_perturbation_is_chosen_as_in_shap() -> None:
    with pytest.warns(FutureWarning, match="interventional"):
        explainer = TreeExplainer(BOOSTED, feature_perturbation="interventional")
    assert explainer.feature_perturbation == "tree_path_dependent"
    with pytest.raises(ValueError, match="feature_perturbation must be"):
        TreeExplainer(BOOSTED, feature_perturbation="random")
    with pytest.warns(DeprecationWarning, match="shap_values"):
        TreeExplainer(BOOSTED, approximate=True)


@pytest.mark.parametrize("options", [{}, {"data": BACK}, {"data": BACK, "model_output": "probability"}])
def test_values_do_not_depend_on_the_number_of_threads(options: dict[str, Any]) -> None:
    rows = RANDOM.normal(size=(1300, 5))
    one = TreeExplainer(TWO, **options).shap_values(rows)
    for n_jobs in (2, 3, -1):
        assert np.array_equal(TreeExplainer(TWO, n_jobs=n_jobs, **options).shap_values(rows), one)


def test_interactions_do_not_depend_on_the_number_of_threads() -> None:
    rows = RANDOM.normal(size=(300, 5))
    one, many = (TreeExplainer(TWO, n_jobs=n_jobs).shap_interaction_values(rows) for n_jobs in (1, 4))
    assert np.array_equal(one, many)


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
@pytest.mark.parametrize("options", [{}, {"data": BACK}, {"data": BACK, "model_output": "log_loss"}])
def test_a_pickled_explainer_gives_the_same(pickler: Any, options: dict[str, Any]) -> None:
    explainer = TreeExplainer(BOOSTED, **options)
    before = explainer.shap_values(X, NUMBER)
    content = pickler.dumps(explainer)
    assert b"xgboost" not in content, "who unpickles needs no XGBoost"
    assert np.array_equal(pickle.loads(content).shap_values(X, NUMBER), before)


@each_model
def test_additivity_is_checked_against_the_model_itself(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = TreeExplainer(model)
    right = explainer.model.own
    object.__setattr__(
        explainer.model,
        "own",
        lambda x: right(x) + 0.01 * (np.arange(len(x)) == 2).reshape(-1, *[1] * (np.ndim(right(x)) - 1)),
    )
    with pytest.raises(AdditivityError, match="row 2"):
        explainer.shap_values(X[:5])
    explainer.shap_values(X[:5], check_additivity=False)


def test_arrays_of_another_width_are_refused() -> None:
    with pytest.raises(FeatureCount, match="4 columns"):
        TreeExplainer(BOOSTED).shap_values(X[:, :4])


def test_an_unknown_model_is_refused_by_its_type() -> None:
    with pytest.raises(UnsupportedModel, match=r"not yet supported by TreeExplainer.*object"):
        TreeExplainer(object())


def test_shap_explainer_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shap.explainers, "TreeExplainer", TreeExplainer)
    explainer = shap.Explainer(BOOSTED, shap.maskers.Independent(BACK))
    assert isinstance(explainer, TreeExplainer)
    assert np.allclose(explainer(X[:5]).values, TreeExplainer(BOOSTED, BACK).shap_values(X[:5]))
    assert not TreeExplainer.supports_model_with_masker(object(), None)
    assert not TreeExplainer.supports_model_with_masker(BOOSTED, shap.maskers.Partition(BACK))


def test_calling_it_gives_an_explanation_with_names_and_bases() -> None:
    explainer = TreeExplainer(FOREST, feature_names=list("abcde"))
    found = explainer(X[:6])
    assert isinstance(found, shap.Explanation)
    assert found.values.shape == (6, 5, 2)
    assert found.base_values.shape == (6, 2)
    assert found.feature_names == list("abcde")
    assert np.array_equal(found.data, X[:6])
    assert explainer(X[:6], interactions=True).values.shape == (6, 5, 5, 2)
    assert explainer(X[0]).base_values.shape == (1, 2)


def test_loss_explanations_have_a_base_for_each_label() -> None:
    explainer = TreeExplainer(BOOSTED, BACK, model_output="log_loss")
    found = explainer(X[:6], NUMBER[:6])
    assert np.array_equal(found.base_values, explainer.expected_value(NUMBER[:6]))


def test_additivity_of_given_values_is_to_two_digits() -> None:
    explainer = TreeExplainer(FOREST)
    values = explainer.shap_values(X[:6])
    by_class = [values[..., 0], values[..., 1]]
    explainer.assert_additivity(by_class, FOREST.predict_proba(X[:6]) + 0.001)
    with pytest.raises(AdditivityError):
        explainer.assert_additivity(values, FOREST.predict_proba(X[:6]) + 0.1)


def test_multiclass_histograms_have_a_background_too() -> None:
    model = HistGradientBoostingClassifier(max_iter=5).fit(X, CLASSES)
    explainer = TreeExplainer(model, BACK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = explainer.shap_values(X[:7])
    assert np.allclose(values.sum(axis=1) + explainer.expected_value, model.decision_function(X[:7]))


def test_without_covers_there_are_no_values_without_a_background():
    """Halves in their place would be wrong without a word."""
    booster = xgboost.train({"nthread": 1, "max_depth": 2}, xgboost.DMatrix(X, NUMBER), 2)
    saved = bytes(booster.save_raw("json"))
    text = re.sub(rb'"sum_hessian":\[[^]]*\]', lambda found: re.sub(rb"[0-9][0-9.E]*", b"0", found[0]), saved)
    with pytest.raises(ValueError, match="background"):
        TreeExplainer(text)
    assert TreeExplainer(text, X[:5]).shap_values(X[:3]).shape == (3, X.shape[1])
