"""Pipelines, explained at their last step: values are shap's of that step, added up by what its columns are made of."""

import numpy as np
import pandas as pd
import pytest
import shap
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes IterativeImputer importable
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVR

from tests.child.support import Supervisor, explained, npy, refusal, skops_bytes

RANDOM = np.random.default_rng(5)
FRAME = pd.DataFrame(
    {
        "a": RANDOM.normal(size=90),
        "kind": RANDOM.integers(1, 5, 90),
        "b": np.where(RANDOM.random(90) < 0.2, np.nan, RANDOM.normal(size=90)),
    }
)
NUMBER = (FRAME["a"] + (FRAME["kind"] == 2)).to_numpy()
BACKGROUND = FRAME[:15]
ROWS = FRAME[60:]


def steps():
    hot = ("hot", OneHotEncoder(), ["kind"])
    filled = ("filled", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["b", "a"])
    return ColumnTransformer([hot, filled])


def sent(frame):
    return frame.to_csv(index=False).encode()


def added_up(pipeline, values):
    """Of the columns that `steps` makes (four kinds, b, a, whether b is missing): those of a, kind, b."""
    parts = values[:, 5:6], values[:, :4].sum(axis=1, keepdims=True), values[:, [4, 6]].sum(axis=1, keepdims=True)
    return np.concatenate(parts, axis=1)


LASTS = {
    "forest": RandomForestRegressor(5, random_state=0),
    "classes": RandomForestClassifier(5, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=5, random_state=0),
    "histogram": HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=3),
}


@pytest.mark.parametrize("name", LASTS)
def test_values_are_those_of_the_last_step_added_up(name):
    target = (
        NUMBER
        if "Regressor" in type(LASTS[name]).__name__
        else np.digitize(NUMBER, [0] if name == "boosting" else [-1, 1])
    )
    pipeline = make_pipeline(steps(), LASTS[name]).fit(FRAME, target)
    values, heard, info = explained(skops_bytes(pipeline), sent(ROWS))
    wanted = shap.TreeExplainer(pipeline[-1]).shap_values(pipeline[:-1].transform(ROWS))
    wanted = added_up(pipeline, wanted).reshape(values.shape)
    np.testing.assert_allclose(values, wanted, atol=1e-9)
    assert (info.name, info.explainer, info.columns) == ("Pipeline", "tree", None)
    assert heard.messages[-1].summary["features"] == ["a", "kind", "b"]


def test_the_order_of_columns_is_the_models_whatever_the_datas():
    pipeline = make_pipeline(steps(), LASTS["forest"]).fit(FRAME, NUMBER)
    straight, *_ = explained(skops_bytes(pipeline), sent(ROWS))
    turned, *_ = explained(skops_bytes(pipeline), sent(ROWS[["b", "kind", "a"]]))
    np.testing.assert_array_equal(turned, straight)


def test_interactions_are_added_up_on_both_sides():
    pipeline = make_pipeline(steps(), LASTS["forest"]).fit(FRAME, NUMBER)
    matrix, *_ = explained(skops_bytes(pipeline), sent(ROWS), interactions=True)
    values, *_ = explained(skops_bytes(pipeline), sent(ROWS))
    wanted = shap.TreeExplainer(pipeline[-1]).shap_interaction_values(pipeline[:-1].transform(ROWS))
    kinds = wanted[:, :4, :4].sum(axis=(1, 2))
    np.testing.assert_allclose(matrix[:, 1, 1, 0], kinds, atol=1e-9)
    np.testing.assert_allclose(matrix.sum(axis=2), values, atol=1e-9)


def test_a_background_goes_through_the_steps_too_and_probabilities_add_up():
    pipeline = make_pipeline(steps(), LASTS["boosting"]).fit(FRAME, NUMBER > 0)
    values, _, info = explained(skops_bytes(pipeline), sent(ROWS), sent(BACKGROUND), model_output="probability")
    found = values[..., 0].sum(axis=1) + info.base_values[0]
    np.testing.assert_allclose(found, pipeline.predict_proba(ROWS)[:, 1], atol=1e-9)
    assert info.base_values[0] == pytest.approx(pipeline.predict_proba(BACKGROUND)[:, 1].mean())


def test_a_linear_last_step_equals_the_definition_over_the_tables_columns():
    filled = FRAME.fillna(0.0)
    pipeline = make_pipeline(steps(), Ridge()).fit(filled, NUMBER)
    values, _, info = explained(skops_bytes(pipeline), sent(filled[60:]), sent(filled[:15]))

    def ask(rows):
        return pipeline.predict(pd.DataFrame(rows, columns=filled.columns))

    exact = shap.ExactExplainer(ask, shap.maskers.Independent(filled[:15].to_numpy()))
    np.testing.assert_allclose(values[..., 0], exact(filled[60:].to_numpy()).values, atol=1e-9)
    assert info.explainer == "linear"


def test_columns_that_are_mixed_keep_their_own_names_with_a_warning():
    pipeline = make_pipeline(SimpleImputer(), PCA(2), LASTS["forest"]).fit(FRAME, NUMBER)
    values, heard, info = explained(skops_bytes(pipeline), sent(ROWS))
    assert info.columns == heard.messages[-1].summary["features"] == ["pca0", "pca1"]
    assert [warning.code for warning in info.warnings] == ["mixed_columns"]
    wanted = shap.TreeExplainer(pipeline[-1]).shap_values(pipeline[:-1].transform(ROWS))
    np.testing.assert_allclose(values[..., 0], wanted, atol=1e-9)


def test_for_the_tables_columns_what_is_mixed_goes_to_permutation():
    pipeline = make_pipeline(SimpleImputer(), PCA(2), LASTS["forest"]).fit(FRAME, NUMBER)
    _, _, info = explained(skops_bytes(pipeline), sent(ROWS[:3]), sent(BACKGROUND), features="input", max_evals=7)
    assert (info.explainer, info.columns, info.warnings) == ("permutation", None, [])
    assert "PCA mixes columns" in info.reason


def test_transformed_columns_are_explained_by_any_explainer_where_a_job_asks_for_them():
    for last in (LASTS["forest"], SVR()):
        pipeline = make_pipeline(steps(), last).fit(FRAME, NUMBER)
        *_, info = explained(skops_bytes(pipeline), sent(ROWS[:3]), sent(BACKGROUND), features="transformed")
        assert info.columns == [str(name) for name in pipeline[:-1].get_feature_names_out()]


def test_other_last_steps_are_explained_whole():
    pipeline = make_pipeline(steps(), SVR()).fit(FRAME, NUMBER)
    _, _, info = explained(skops_bytes(pipeline), sent(ROWS[:3]), sent(BACKGROUND), max_evals=7)
    assert (info.explainer, info.columns) == ("permutation", None)


def test_a_search_is_its_best_pipeline():
    search = GridSearchCV(make_pipeline(steps(), Ridge()), {"ridge__alpha": [1.0, 2.0]}).fit(FRAME.fillna(0), NUMBER)
    values, _, info = explained(skops_bytes(search), sent(FRAME[:4].fillna(0)), sent(BACKGROUND.fillna(0)))
    assert (info.name, info.explainer) == ("GridSearchCV", "linear")
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], search.predict(FRAME[:4].fillna(0)))


def test_an_isolation_forest_at_the_end_is_explained_by_its_path_lengths():
    pipeline = make_pipeline(SimpleImputer(), IsolationForest(n_estimators=5, random_state=0)).fit(FRAME)
    values, _, info = explained(skops_bytes(pipeline), sent(ROWS))
    assert info.explains == "path_length"
    wanted = shap.TreeExplainer(pipeline[-1]).shap_values(pipeline[0].transform(ROWS))
    np.testing.assert_allclose(values[..., 0], wanted, atol=1e-9)


LEGAL = {
    "logarithm": FunctionTransformer(np.log),
    "box-cox": PowerTransformer("box-cox"),
    "categories": ColumnTransformer([("hot", OneHotEncoder(), ["kind"])], remainder="passthrough"),
}


@pytest.mark.parametrize("name", LEGAL)
def test_a_row_of_zeros_need_not_be_legal(name):
    positive = FRAME[["a", "kind"]].abs() + 1
    pipeline = make_pipeline(LEGAL[name], LogisticRegression()).fit(positive, NUMBER > 0)
    values, _, info = explained(skops_bytes(pipeline), sent(positive[60:]), sent(positive[:15]))
    assert info.explainer == "linear"
    found = values[..., 0].sum(axis=1) + info.base_values[0]
    np.testing.assert_allclose(found, pipeline.decision_function(positive[60:]), atol=1e-9)


def test_a_row_that_a_step_refuses_is_named():
    pipeline = make_pipeline(steps(), LASTS["forest"]).fit(FRAME, NUMBER)
    failed = refusal(skops_bytes(pipeline), sent(ROWS.assign(kind=[*ROWS["kind"][:-1], 9])))
    assert (failed.code, failed.detail["row"]) == ("row_refused", 29)
    assert "9" in failed.message


def test_a_value_that_becomes_infinite_on_its_way_is_named():
    positive = FRAME[["a", "kind"]].abs()
    pipeline = make_pipeline(FunctionTransformer(np.log), LASTS["forest"]).fit(positive, NUMBER)
    rows = positive[60:].copy()
    rows.iloc[3, 0] = 0
    failed = refusal(skops_bytes(pipeline), sent(rows))
    assert (failed.code, failed.detail["row"]) == ("row_refused", 3)
    assert "its steps make of a" in failed.message


def test_a_background_that_a_step_refuses_is_named():
    pipeline = make_pipeline(steps(), Ridge()).fit(FRAME, NUMBER)
    failed = refusal(skops_bytes(pipeline), sent(ROWS), sent(BACKGROUND.assign(kind=9)))
    assert (failed.code, failed.detail["field"]) == ("row_refused", "background")


def test_missing_cells_pass_where_an_imputer_fills_them_and_are_named_elsewhere():
    pipeline = make_pipeline(steps(), Ridge()).fit(FRAME, NUMBER)
    explained(skops_bytes(pipeline), sent(ROWS), sent(BACKGROUND))
    bare = make_pipeline(StandardScaler(), Ridge()).fit(FRAME.fillna(0), NUMBER)
    failed = refusal(skops_bytes(bare), sent(ROWS), sent(BACKGROUND.fillna(0)))
    assert failed.code in ("missing_value", "row_refused")


@pytest.mark.parametrize("imputer", [KNNImputer(), IterativeImputer(max_iter=2)], ids=lambda one: type(one).__name__)
def test_cells_that_are_filled_from_other_columns_are_warned_of(imputer):
    """Unless nobody counts them: one column alone, and explainers that ask the whole pipeline."""
    pipeline = skops_bytes(make_pipeline(imputer, LASTS["forest"]).fit(FRAME, NUMBER))
    _, _, info = explained(pipeline, sent(ROWS[:5]))
    (odd,) = info.warnings
    assert (odd.code, type(imputer).__name__ in odd.message) == ("filled_from_others", True)
    _, _, info = explained(pipeline, sent(ROWS[:5]), sent(BACKGROUND), explainer="permutation")
    assert info.warnings == []
    alone = ColumnTransformer([("b", imputer, ["b"])], remainder="passthrough")
    _, _, info = explained(skops_bytes(make_pipeline(alone, LASTS["forest"]).fit(FRAME, NUMBER)), sent(ROWS[:5]))
    assert info.warnings == []


def test_what_a_child_takes_follows_the_last_steps_width():
    wide = pd.DataFrame({"kind": np.arange(600), "a": RANDOM.normal(size=600)})
    hot = ColumnTransformer([("hot", OneHotEncoder(), ["kind"])], remainder="passthrough")
    pipeline = make_pipeline(hot, RandomForestRegressor(2)).fit(wide, wide["a"])
    supervisor = Supervisor({"model": skops_bytes(pipeline), "data": npy(wide.to_numpy()[:5])})
    supervisor.load()
    narrow = make_pipeline(StandardScaler(), RandomForestRegressor(2)).fit(wide, wide["a"])
    other = Supervisor({"model": skops_bytes(narrow), "data": npy(wide.to_numpy()[:5])})
    other.load()
    assert supervisor.prepared.rows_per_block < other.prepared.rows_per_block
    assert supervisor.prepared.needs_bytes(10_000) > 2 * other.prepared.needs_bytes(64)


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), MaxAbsScaler(), RobustScaler()], ids=str)
def test_a_target_that_was_scaled_is_scaled_back(scaler):
    inner = make_pipeline(steps(), LASTS["forest"])
    model = TransformedTargetRegressor(inner, transformer=scaler).fit(FRAME, 100 + 7 * NUMBER)
    values, _, info = explained(skops_bytes(model), sent(ROWS))
    assert (info.name, info.explainer) == ("TransformedTargetRegressor", "tree")
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], model.predict(ROWS), atol=1e-9)


def test_a_target_behind_a_logarithm_and_calibration_say_why_they_go_to_permutation():
    inner = make_pipeline(SimpleImputer(), LASTS["forest"])
    log = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp).fit(FRAME, np.exp(NUMBER))
    _, _, info = explained(skops_bytes(log), sent(ROWS[:3]), sent(BACKGROUND), max_evals=7)
    assert "target was transformed" in info.reason
    calibrated = CalibratedClassifierCV(LASTS["boosting"], cv=2).fit(FRAME.fillna(0), NUMBER > 0)
    _, _, info = explained(skops_bytes(calibrated), sent(ROWS[:3].fillna(0)), sent(BACKGROUND.fillna(0)))
    assert "it calibrates" in info.reason


def test_a_step_that_may_do_anything_is_named_and_the_whole_explained():
    filled = FRAME.fillna(0).abs()
    pipeline = make_pipeline(FunctionTransformer(np.sqrt, kw_args={"dtype": "float64"}), Ridge()).fit(filled, NUMBER)
    _, _, info = explained(skops_bytes(pipeline), sent(filled[:3]), sent(filled[:9]))
    assert info.explainer == "exact"
    assert "FunctionTransformer does not say which columns it makes" in info.reason
