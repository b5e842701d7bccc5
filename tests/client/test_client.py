"""Over HTTP, as from a notebook: values are shap's for each library's models, and trouble has a name."""

import asyncio
import warnings
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import shap
import xgboost
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from shap_supervisor import AsyncClient, CannotSave, Client, JobFailed, Refused, TimedOut, Unreachable
from shap_supervisor.errors import NotFound

RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.normal(size=(300, 4)), columns=["age", "size, m", "c", "d"])
Y = X["age"] * X["c"] + X["d"]
MODELS = {
    "xgboost": xgboost.XGBRegressor(n_estimators=10, max_depth=3, n_jobs=1),
    "lightgbm": lightgbm.LGBMRegressor(n_estimators=10, n_jobs=1, verbose=-1),
    "catboost": catboost.CatBoostRegressor(
        iterations=10, depth=3, verbose=0, thread_count=1, allow_writing_files=False
    ),
    "forest": RandomForestClassifier(5, max_depth=4, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=10, random_state=0),
}


def fitted(name: str, rows: Any = X) -> Any:
    is_classifier = name in {"forest", "boosting"}
    if name == "lightgbm":  # which takes no commas in names
        rows = rows.rename(columns={"size, m": "b"})
    return MODELS[name].fit(rows, Y > 0 if is_classifier else Y)


@pytest.mark.parametrize("name", MODELS)
def test_values_are_those_of_shap(client: Client, name: str) -> None:
    rows = X.rename(columns={"size, m": "b"}) if name == "lightgbm" else X
    model = fitted(name)
    found, right = client.explain(model, rows), shap.TreeExplainer(model)(rows)
    assert isinstance(found, shap.Explanation)
    assert found.values.shape == right.values.shape
    assert np.allclose(found.values, right.values, atol=1e-5)
    assert found.base_values.shape == np.broadcast_to(right.base_values, found.base_values.shape).shape
    assert np.allclose(found.base_values, right.base_values, atol=1e-5)
    assert np.array_equal(found.data, rows.to_numpy())
    assert list(found.feature_names) == list(rows.columns)


def test_a_pipeline_of_another_order_of_columns_and_its_background(client: Client) -> None:
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)
    turned = X[X.columns[::-1]]
    found = client.explain(model, turned, X.head(50))
    assert np.allclose(found.values.sum(axis=1) + found.base_values, model.predict(X))
    assert np.array_equal(found.data, X.to_numpy())


def test_sparse_rows_and_arrays_mean_what_the_library_takes_them_for(client: Client) -> None:
    matrix = scipy.sparse.random(100, 4, density=0.5, format="csr", random_state=0)
    model = xgboost.train({"nthread": 1}, xgboost.DMatrix(matrix, RANDOM.normal(size=100)), 5)
    right = model.predict(xgboost.DMatrix(matrix), pred_contribs=True)
    found = client.explain(model, matrix)
    assert np.allclose(found.values, right[:, :-1], atol=1e-5)
    assert found.data.shape == (100, 4)
    filled = np.where(matrix.toarray() == 0, np.nan, matrix.toarray())
    assert np.allclose(client.explain(model, filled.astype(np.float32)).values, found.values, atol=1e-6)
    with pytest.raises(JobFailed, match="expected"):
        client.explain(model, filled, expected=np.zeros(10))


def test_a_job_is_asked_for_what_it_has(client: Client, tmp_path: Path) -> None:
    model = fitted("xgboost")
    model.save_model(tmp_path / "model.json")
    client.register("churn", tmp_path / "model.json")
    X.to_csv(tmp_path / "rows.csv", index=False)
    job = client.submit("churn", tmp_path / "rows.csv", batch_size=50).wait()
    whole = job.result()
    assert whole.data is None
    assert job.status() == "finished"
    assert job.warnings() == []
    assert np.array_equal(job.result(rows=slice(10, 20)).values, whole.values[10:20])
    assert np.array_equal(np.concatenate(list(job.stream())), whole.values)
    assert job.summary()["rows"] == 300
    assert len(job.sample()["rows"]) == 300
    assert "<html" in job.report()
    assert "mark" in str(job.plot("bar"))
    assert np.array_equal(client.job(job.id).result().values, whole.values)


def test_interactions_and_text_with_several_outputs(client: Client) -> None:
    table = X.assign(town=np.where(X["c"] > 0, "Ulm; West", "Bonn"))
    table["town"] = table["town"].astype("category")
    model = lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1)
    table = table.rename(columns={"size, m": "b"})
    model.fit(table, RANDOM.integers(0, 3, 300))
    right = model.booster_.predict(table, pred_contrib=True).reshape(300, 3, 6)[:, :, :-1].transpose(0, 2, 1)
    found = client.explain(model, table)
    assert np.allclose(found.values, right, atol=1e-9)
    assert found.base_values.shape == (300, 3)
    assert len(found.output_names) == 3
    assert list(found.display_data[:, 4]) == list(table["town"])
    assert client.explain(model, table.head(20), interactions=True).values.shape == (20, 5, 5, 3)


def test_less_than_everything(client: Client) -> None:
    table, model = X.rename(columns={"size, m": "b"}), fitted("forest")
    model.fit(table, Y > 0)
    whole = client.explain(model, table)
    grouped = client.explain(model, table, groups={"rest": ["b", "d"]}, columns=["c", "rest"])
    assert grouped.feature_names == ["c", "rest"]
    assert np.allclose(grouped.values[:, 1], whole.values[:, 1] + whole.values[:, 3], rtol=0, atol=1e-12)
    top = client.explain(model, table, top_k=2)
    assert (top.names[:, 0] == np.array(list(table))[np.abs(whole.values).argmax(axis=1)]).all()
    lines = top.to_pandas()
    assert lines.shape == (600, 5)
    assert np.allclose(lines[["value_1", "value_2", "rest"]].sum(axis=1) + top.base_values.ravel(), 0.5, atol=0.5)
    summary = client.explain(model, table, reduce="summary")
    assert np.allclose(summary["mean_abs_shap"], np.abs(whole.values).mean(axis=0), rtol=0, atol=1e-12)


def test_names_with_spaces_stay_as_they_are(client: Client) -> None:
    """LightGBM writes underscores in their place."""
    table = X.rename(columns={"size, m": "size in m"})
    model = lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1).fit(table, Y)
    found = client.explain(model, table)
    assert found.feature_names == list(table)
    assert np.array_equal(found.data, table.to_numpy())


def test_a_linear_booster_is_held_to_its_own_predictions(client: Client) -> None:
    model = xgboost.XGBRegressor(booster="gblinear", n_estimators=5, n_jobs=1).fit(X, Y)
    few, background = X.head(5), X.head(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = client.explain(model, few, background)
    sums = found.values.sum(axis=1) + found.base_values
    assert np.allclose(sums, model.predict(few, output_margin=True), atol=1e-4)
    with pytest.raises(JobFailed) as differs:
        client.explain(model, few, background, expected=np.zeros(5))
    assert differs.value.code == "expected_differs"


def test_trouble_has_a_type_a_code_and_a_way_out(client: Client) -> None:
    with pytest.raises(CannotSave, match=r"object.*fitted scikit-learn"):
        client.explain(object(), X)
    with pytest.raises(JobFailed) as failed:
        client.explain(fitted("xgboost"), X[["age", "c"]], expected=None)
    assert failed.value.code
    assert failed.value.job_id
    with pytest.raises(NotFound) as missing:
        client.job("0" * 32).status()
    assert (missing.value.status, missing.value.code) == (404, "unknown_job")
    with pytest.raises(JobFailed) as differs:
        client.explain(fitted("xgboost"), X, expected=np.zeros(5))
    assert differs.value.code == "expected_differs"


@pytest.mark.parametrize("field", ["model_url", "data_url", "background_url", "callback_url", "result_url"])
def test_what_the_service_fetches_and_whom_it_tells(client: Client, field: str) -> None:
    """This service may speak to nobody, and refuses each by its name."""
    url = "https://files.example/a"
    given = {"model": fitted("xgboost"), "X": X, "background": None}
    given[{"model_url": "model", "data_url": "X", "background_url": "background"}.get(field, field)] = url
    with pytest.raises(Refused) as refused:
        client.submit(**given, expected=None)
    assert refused.value.code == "forbidden_url"
    assert field in refused.value.detail


def test_time_is_bounded_and_ctrl_c_cancels(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    model, many = fitted("forest"), np.tile(X.to_numpy(), (400, 1))
    job = client.submit(model, many, expected=None, batch_size=100)
    with pytest.raises(TimedOut, match=job.id):
        job.wait(timeout=0.1)

    def interrupt(_seen: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shap_supervisor.job._silent", interrupt)
    with pytest.raises(KeyboardInterrupt):
        job.wait(progress=False)
    assert job.status() == "cancelled"


def test_nobody_there_is_said_in_one_sentence() -> None:
    with Client("http://127.0.0.1:9", timeout=1) as client, pytest.raises(Unreachable, match="Start the service"):
        client.health()


def test_the_same_awaited(url: str) -> None:
    async def explained() -> Any:
        async with AsyncClient(url) as client:
            found = await client.explain(fitted("xgboost"), X)
            job = await client.submit(fitted("xgboost"), X)
            await job.wait()
            blocks = [block async for block in job.stream()]
            assert np.array_equal(np.concatenate(blocks), found.values)
            return found

    right = shap.TreeExplainer(fitted("xgboost"))(X)
    assert np.allclose(asyncio.run(explained()).values, right.values, atol=1e-5)
