"""Pipelines over HTTP: values are those of the last step, for the columns of the table."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import shap
import skops.io
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PowerTransformer, StandardScaler

from tests.service.conftest import Service

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame({"k": RANDOM.integers(1, 5, 200), "a": RANDOM.random(200) + 0.1})
TARGET = FRAME["a"] + (FRAME["k"] == 2)


def sent(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def hot() -> ColumnTransformer:
    return ColumnTransformer([("hot", OneHotEncoder(), ["k"])], remainder="passthrough")


def test_a_forest_behind_steps_in_several_chunks(service: Service) -> None:
    model = make_pipeline(hot(), StandardScaler(with_mean=False), RandomForestRegressor(5, random_state=0))
    model.fit(FRAME, TARGET)
    job_id = service.submit(skops.io.dumps(model), sent(FRAME), batch_size=60)
    job = service.ended(job_id)
    assert (job["status"], job["chunks"], job["explainer"]) == ("finished", 4, "tree"), job["error"]
    wanted = shap.TreeExplainer(model[-1]).shap_values(model[:-1].transform(FRAME))
    wanted = np.stack([wanted[:, :4].sum(axis=1), wanted[:, 4]], axis=1)
    np.testing.assert_allclose(service.values(job_id), wanted, rtol=0, atol=1e-9)
    assert service.http.get(f"/jobs/{job_id}/summary").json()["features"] == ["k", "a"]


@pytest.mark.parametrize("step", [hot(), FunctionTransformer(np.log), PowerTransformer("box-cox")], ids=str)
def test_steps_that_take_no_row_of_zeros(service: Service, step: object) -> None:
    model = make_pipeline(step, Ridge()).fit(FRAME, TARGET)
    job_id = service.submit(skops.io.dumps(model), sent(FRAME[:5]), sent(FRAME[-20:]))
    job = service.ended(job_id)
    assert (job["status"], job["explainer"]) == ("finished", "linear"), job["error"]
    base = service.http.get(f"/jobs/{job_id}/summary").json()["base_values"]
    np.testing.assert_allclose(service.values(job_id).sum(axis=1) + base, model.predict(FRAME[:5]), atol=1e-9)


def test_mixed_columns_come_back_under_their_own_names(service: Service) -> None:
    from sklearn.decomposition import PCA

    model = make_pipeline(StandardScaler(), PCA(2), RandomForestRegressor(5, random_state=0)).fit(FRAME, TARGET)
    job_id = service.submit(skops.io.dumps(model), sent(FRAME[:20]), interactions=True)
    job = service.ended(job_id)
    assert job["status"] == "finished", job["error"]
    assert [warning["code"] for warning in job["warnings"]] == ["mixed_columns"]
    answer = service.http.get(f"/jobs/{job_id}/result", headers={"Accept": "text/csv"}).text
    assert answer.splitlines()[0].endswith("pca0,pca1")


def test_text_unknown_categories_and_a_date_that_no_step_uses(service: Service) -> None:
    frame = FRAME.assign(city=RANDOM.choice(["Bern", "Lyon"], 200), day="2024-05-01")
    steps = ColumnTransformer(
        [("hot", OneHotEncoder(handle_unknown="ignore"), ["city"]), ("a", StandardScaler(), ["a"])]
    )
    model = make_pipeline(steps, RandomForestRegressor(5, random_state=0)).fit(
        frame, TARGET + (frame["city"] == "Bern")
    )
    rows = frame[:40].copy()
    rows.loc[30, "city"] = "Oslo"
    job_id = service.submit(skops.io.dumps(model), sent(rows), batch_size=20)
    job = service.ended(job_id)
    assert job["status"] == "finished", job["error"]
    assert [warning["code"] for warning in job["warnings"]] == ["unknown_category"]
    base = service.http.get(f"/jobs/{job_id}/summary").json()["base_values"]
    np.testing.assert_allclose(service.values(job_id).sum(axis=1) + base, model.predict(rows), atol=1e-9)


def test_text_categories_of_a_booster_without_its_library(service: Service) -> None:
    frame = FRAME.assign(city=pd.Categorical(RANDOM.choice(["Bern", "Lyon"], 200)))
    matrix = xgboost.DMatrix(frame, TARGET + (frame["city"] == "Bern"), enable_categorical=True)
    booster = xgboost.train({"max_depth": 3, "nthread": 1}, matrix, 4)
    job_id = service.submit(bytes(booster.save_raw("json")), sent(frame[:40]))
    job = service.ended(job_id)
    assert job["status"] == "finished", job["error"]
    wanted = booster.predict(xgboost.DMatrix(frame[:40], enable_categorical=True), pred_contribs=True)
    np.testing.assert_allclose(service.values(job_id), wanted[:, :-1], atol=1e-6)


def test_text_that_looks_like_numbers_and_numbers_that_are_no_text(service: Service) -> None:
    frame = FRAME.assign(note=np.where(np.arange(200) < 100, "late again", "12345 7"))
    frame.loc[150:, "note"] = "7"
    steps = ColumnTransformer([("words", CountVectorizer(token_pattern=r"\w+"), "note")], remainder="passthrough")
    model = make_pipeline(steps, RandomForestRegressor(5, random_state=0)).fit(frame, TARGET)
    job_id = service.submit(skops.io.dumps(model), sent(frame), batch_size=50)  # the last chunk has nothing but numbers
    job = service.ended(job_id)
    assert (job["status"], job["chunks"]) == ("finished", 4), job["error"]
    base = service.http.get(f"/jobs/{job_id}/summary").json()["base_values"]
    np.testing.assert_allclose(service.values(job_id).sum(axis=1) + base, model.predict(frame), atol=1e-9)
    records = json.dumps([{"k": 1, "a": 0.5, "note": "late"}, {"k": 1, "a": 0.5, "note": 7}]).encode()
    array = io.BytesIO()
    np.save(array, np.ones((4, 3)))
    for data, row in ((records, 1), (array.getvalue(), 0)):
        error = service.ended(service.submit(skops.io.dumps(model), data))["error"]
        assert error["code"] == "not_text"
        assert f"row {row}, column " in error["message"]
        assert "is no text, and the model reads text there" in error["message"]
