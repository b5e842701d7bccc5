"""Models of text and categories: values are their libraries' own, for unknown and missing categories too."""

import json

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from shaptrees.readers import categories
from tests.child.support import explained, refusal, skops_bytes

RANDOM = np.random.default_rng(11)
FRAME = pd.DataFrame(
    {
        "city": pd.Categorical(RANDOM.choice(["Bern", "Lyon", "Oslo"], 150)),
        "x": RANDOM.normal(size=150),
        "month": pd.Categorical(RANDOM.integers(5, 9, 150)),
    }
)
TARGET = (FRAME["city"] == "Lyon") * 2.0 + FRAME["x"] + (FRAME["month"].astype(int) == 6)
FEW = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, "min_data_per_group": 1}


def sent(frame):
    return frame.to_csv(index=False).encode()


def strange():
    """Rows with unknown and missing categories, as they are sent, and as the libraries see them: missing."""
    rows = FRAME[:30].astype({"city": object, "month": float})
    rows.loc[1, "city"], rows.loc[2, "city"], rows.loc[3, "month"] = "bern", None, 44
    seen = FRAME[:30].copy()
    seen.loc[[1, 2], "city"], seen.loc[3, "month"] = None, None
    return rows, seen


def said(heard):
    return [warning.message for warning in heard.messages[-1].partial.warnings]


@pytest.mark.parametrize("kind", ["json", "ubj"])
def test_xgboosts_lists_of_text(kind):
    booster = xgb.train({"max_depth": 3, "nthread": 1}, xgb.DMatrix(FRAME, TARGET, enable_categorical=True), 4)
    rows, seen = strange()
    values, heard, _ = explained(bytes(booster.save_raw(kind)), sent(rows))
    wanted = booster.predict(xgb.DMatrix(seen, enable_categorical=True), pred_contribs=True)
    np.testing.assert_allclose(values[..., 0], wanted[:, :-1], atol=1e-6)
    city, month = said(heard)
    assert city.startswith("city: 'bern' is none of the 3 categories in the model ('Bern', 'Lyon', 'Oslo')")
    assert "XGBoost itself refuses it since 3.1" in city
    assert month.startswith("month: 44.0")


def test_lightgbms_lists_of_text_and_booleans():
    frame = FRAME.assign(flag=pd.Categorical(RANDOM.random(150) < 0.5))
    booster = lgb.train(FEW, lgb.Dataset(frame, TARGET + frame["flag"].astype(bool)), 4)
    rows, seen = (each.assign(flag=frame["flag"][:30]) for each in strange())
    values, heard, _ = explained(booster.model_to_string().encode(), sent(rows))
    np.testing.assert_allclose(values[..., 0], booster.predict(seen, pred_contrib=True)[:, :-1], atol=1e-9)
    assert len(said(heard)) == 2


def test_histogram_boosting_takes_its_categories_from_the_frames_types():
    model = HistGradientBoostingRegressor(categorical_features="from_dtype", max_iter=4, min_samples_leaf=5)
    model.fit(FRAME, TARGET)
    rows, seen = strange()
    values, heard, info = explained(skops_bytes(model), sent(rows))
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], model.predict(seen), atol=1e-9)
    assert len(said(heard)) == 2


@pytest.mark.parametrize("explainer", ["exact", "permutation"])
def test_text_goes_through_explainers_that_ask_the_model(explainer):
    booster = xgb.train({"max_depth": 3, "nthread": 1}, xgb.DMatrix(FRAME, TARGET, enable_categorical=True), 4)
    rows, seen = (each[:4] for each in strange())
    values, _, info = explained(bytes(booster.save_raw("ubj")), sent(rows), sent(FRAME[:9]), explainer=explainer)
    wanted = booster.predict(xgb.DMatrix(seen, enable_categorical=True))
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], wanted, atol=1e-5)


MIXED = pd.DataFrame(
    {
        "city": RANDOM.choice(["Bern", "Lyon", "Oslo"], 120),
        "flag": RANDOM.random(120) < 0.5,
        "day": "2024-05-01",
        "x": RANDOM.normal(size=120),
    }
)
NUMBER = (MIXED["city"] == "Lyon") + MIXED["x"] - MIXED["flag"]


def mixed(unknown="ignore", last=None, *, fit=True):
    filled = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown=unknown))
    steps = ColumnTransformer([("hot", filled, ["city", "flag"]), ("number", StandardScaler(), ["x"])])
    pipeline = make_pipeline(steps, last or RandomForestRegressor(5, random_state=0))
    return pipeline.fit(MIXED, NUMBER) if fit else pipeline


def test_a_pipeline_reads_text_booleans_and_a_column_that_no_step_uses():
    pipeline = mixed()
    rows = MIXED[:20].copy()
    rows.loc[3, "city"], rows.loc[4, "city"] = None, "Paris"
    values, heard, info = explained(skops_bytes(pipeline), sent(rows))
    assert heard.messages[-1].summary["features"] == list(MIXED)
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], pipeline.predict(rows), atol=1e-9)
    assert not values[:, 2].any()
    (city,) = said(heard)
    assert "'Paris' is none of the 3" in city
    assert "OneHotEncoder" in city


def test_the_same_table_is_the_same_in_every_format():
    pipeline, rows = skops_bytes(mixed()), MIXED[:20]
    values, *_ = explained(pipeline, sent(rows))
    split = json.dumps({"columns": list(rows), "data": rows.to_numpy().tolist()}).encode()
    for other in (rows.to_json(orient="records").encode(), split, rows.to_csv(index=False, sep=";").encode()):
        np.testing.assert_array_equal(explained(pipeline, other)[0], values)


def test_a_category_that_is_refused_is_named_with_row_column_and_list():
    rows = MIXED[:20].copy()
    rows.loc[4, "city"] = "Paris"
    failed = refusal(skops_bytes(mixed("error")), sent(rows))
    assert (failed.code, failed.detail["row"]) == ("row_refused", 4)
    assert "column city is 'Paris', none of the 3 categories that it knows ('Bern', 'Lyon', 'Oslo')" in failed.message


def test_text_in_a_column_of_numbers_is_named_as_ever():
    failed = refusal(
        skops_bytes(mixed()), sent(MIXED[:20].astype({"x": object}).replace({"x": {MIXED["x"][2]: "much"}}))
    )
    assert (failed.code, failed.detail["column"], failed.detail["row"]) == ("not_numeric", "x", 2)


def test_categories_that_are_kept_as_codes_by_an_encoder():
    steps = ColumnTransformer([("code", OrdinalEncoder(), ["city"])], remainder="drop")
    pipeline = make_pipeline(steps, Ridge()).fit(MIXED, NUMBER)
    values, _, info = explained(skops_bytes(pipeline), sent(MIXED[:9]), sent(MIXED[50:60]))
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], pipeline.predict(MIXED[:9]), atol=1e-9)


TEXT = pd.Series(RANDOM.choice(["good car", "bad car", "nice, very good", "awful"], 100), name="review")


@pytest.mark.parametrize("features", ["auto", "input"])
def test_a_vectoriser_alone_reads_one_column_of_text(features):
    pipeline = make_pipeline(TfidfVectorizer(), RandomForestRegressor(4, random_state=0))
    pipeline.fit(TEXT, TEXT.str.contains("good").astype(float))
    values, _, info = explained(skops_bytes(pipeline), sent(TEXT[:9].to_frame()), features=features)
    words = ["awful", "bad", "car", "good", "nice", "very"]
    assert info.columns == (words if features == "auto" else None)
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], pipeline.predict(TEXT[:9]), atol=1e-9)


def test_a_vectoriser_beside_numbers():
    frame = pd.DataFrame({"review": TEXT, "x": RANDOM.normal(size=100)})
    steps = ColumnTransformer([("text", CountVectorizer(), "review")], remainder="passthrough")
    pipeline = make_pipeline(steps, Ridge()).fit(frame, frame["x"])
    _, _, info = explained(skops_bytes(pipeline), sent(frame[:9]), sent(frame[50:60]))
    assert info.columns == ["x", *(f"text__{word}" for word in ("awful", "bad", "car", "good", "nice", "very"))]


def many(count):
    """A frame whose one list has so many entries, of which it holds a few."""
    known = [f"c{number}" for number in range(count)]
    return FRAME[["x"]].assign(key=pd.Categorical(RANDOM.choice(known[::997], 150), categories=known))


def test_lists_of_100_000_entries():
    frame = many(100_000)
    target = frame["x"] + (frame["key"].cat.codes > 50_000)
    booster = lgb.train({**FEW, "objective": "regression"}, lgb.Dataset(frame, target), 4)
    values, *_ = explained(booster.model_to_string().encode(), sent(frame))
    np.testing.assert_allclose(values[..., 0], booster.predict(frame, pred_contrib=True)[:, :-1], atol=1e-9)


@pytest.mark.parametrize("library", ["LightGBM", "XGBoost"])
def test_lists_that_are_too_long_are_refused_by_their_number(monkeypatch, library):
    monkeypatch.setattr(categories, "MOST", 999)
    frame = many(1_000)
    if library == "LightGBM":
        model = lgb.train({**FEW, "objective": "regression"}, lgb.Dataset(frame, frame["x"]), 2).model_to_string()
        raw = model.encode()
    else:
        data = xgb.DMatrix(frame, frame["x"], enable_categorical=True)
        raw = bytes(xgb.train({"max_depth": 2, "nthread": 1}, data, 2).save_raw("ubj"))
    failed = refusal(raw, sent(frame))
    assert failed.code == "unsupported_model"
    assert "1000 entries, over the 999" in failed.message


@pytest.mark.parametrize(
    ("lists", "count"), [('[["a, b", "c\\"d", "]"], [1, 2.5, -3e-2], []]', 6), ("[]", 0), ("[[null, true]]", 2)]
)
def test_entries_are_counted_before_they_are_made(monkeypatch, lists, count):
    monkeypatch.setattr(categories, "MOST", 0)
    assert categories.entries(lists) == count == sum(map(len, json.loads(lists)))


WRAPPERS = {
    "calibrated": lambda: CalibratedClassifierCV(mixed(last=LogisticRegression(), fit=False), cv=2),
    "voting": lambda: VotingClassifier([("a", mixed(last=LogisticRegression(), fit=False))], voting="soft"),
    "stacking": lambda: StackingClassifier([("a", mixed(last=LogisticRegression(), fit=False))], cv=2),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_pipelines_within_a_wrapper_read_text_too(name):
    """And a column that none of them reads may hold anything."""
    model = WRAPPERS[name]().fit(MIXED, NUMBER > 0)
    rows = MIXED[:4].copy()
    rows.loc[1, "city"] = "Paris"
    values, heard, info = explained(skops_bytes(model), sent(rows), sent(MIXED[50:56]), explainer="permutation")
    np.testing.assert_allclose(
        values[..., -1].sum(axis=1) + info.base_values[-1], model.predict_proba(rows)[:, -1], atol=1e-9
    )
    assert any("'Paris'" in text for text in said(heard))
