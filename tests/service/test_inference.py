"""The inference protocols over HTTP: what the clients of KServe and MLServer send, and the values that they read."""

import json
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

from tests.service.conftest import Service

COLUMNS = ["age", "fare", "size"]


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(200, 3))


@pytest.fixture(scope="module")
def booster(rows: np.ndarray) -> xgboost.Booster:
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return xgboost.XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1).fit(frame, rows[:, 0] * rows[:, 1]).get_booster()


@pytest.fixture(scope="module", autouse=True)
def _registered(service: Service, booster: xgboost.Booster, rows: np.ndarray) -> None:
    service.http.put("/models/reg", content=bytes(booster.save_raw("json"))).raise_for_status()
    kinds = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(rows, np.arange(200) % 3)
    service.http.put("/models/kinds", content=bytes(kinds.get_booster().save_raw("ubj"))).raise_for_status()


def infer(service: Service, model: str, inputs: list[dict[str, Any]], **more: Any) -> dict[str, np.ndarray]:
    answer = service.http.post(f"/v2/models/{model}/infer", json={"inputs": inputs, **more})
    assert answer.status_code == 200, answer.text
    return {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in answer.json()["outputs"]}


def tensor(name: str, values: Any, datatype: str = "FP64", shape: Any = None) -> dict[str, Any]:
    """As MLServer's codecs and KServe's client order it, or anybody else."""
    return {"name": name, "shape": shape or list(np.shape(values)), "datatype": datatype, "data": values}


def expected(booster: xgboost.Booster, rows: np.ndarray) -> np.ndarray:
    return booster.predict(xgboost.DMatrix(rows, feature_names=COLUMNS), pred_contribs=True)


def test_one_tensor(service: Service, booster: xgboost.Booster, rows: np.ndarray) -> None:
    found = infer(service, "reg", [tensor("input-0", rows.ravel().tolist(), shape=[200, 3])], id="mine")
    theirs = expected(booster, rows)
    np.testing.assert_allclose(found["shap_values"], theirs[:, :-1], atol=1e-5)
    np.testing.assert_allclose(found["base_values"], theirs[:1, -1], atol=1e-5)
    assert found["features"].tolist() == COLUMNS
    assert len(found["outputs"]) == 1


def test_one_tensor_for_each_column_in_any_order(service: Service, booster: xgboost.Booster, rows: np.ndarray) -> None:
    inputs = [tensor(name, rows[:, [place]].tolist()) for place, name in [(2, "size"), (0, "age"), (1, "fare")]]
    inputs = [dict(reversed(found.items())) for found in inputs]
    found = infer(service, "reg", inputs, parameters={"content_type": "pd"})
    np.testing.assert_allclose(found["shap_values"], expected(booster, rows)[:, :-1], atol=1e-5)


def test_several_outputs_and_options(service: Service, rows: np.ndarray) -> None:
    found = infer(service, "kinds", [tensor("x", rows[:7].tolist())], parameters={"interactions": True})
    assert found["shap_values"].shape == (7, 3, 3, 3)
    assert found["base_values"].shape == (3,)
    plain = infer(service, "kinds", [tensor("x", rows[:7].tolist())], outputs=[{"name": "shap_values"}])
    assert list(plain) == ["shap_values"]
    np.testing.assert_allclose(found["shap_values"].sum(axis=2), plain["shap_values"], atol=1e-12)


def test_instances_of_the_first_protocol(service: Service, booster: xgboost.Booster, rows: np.ndarray) -> None:
    records = [dict(zip(COLUMNS, row, strict=True)) for row in rows[:5].tolist()]
    for instances in (rows[:5].tolist(), records):
        answer = service.http.post("/v1/models/reg:explain", json={"instances": instances})
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(answer.json()["explanations"], expected(booster, rows[:5])[:, :-1], atol=1e-5)
        assert answer.json()["features"] == COLUMNS


def test_the_job_behind_it(service: Service, rows: np.ndarray) -> None:
    answer = service.http.post("/v2/models/reg/infer", json={"inputs": [tensor("x", rows.tolist())], "id": "a"})
    document = answer.json()
    assert (document["model_name"], document["id"]) == ("reg", "a")
    assert answer.headers["location"] == f"/jobs/{document['parameters']['job_id']}"
    assert service.job(document["parameters"]["job_id"])["rows"] == 200


def test_what_its_model_is(service: Service, rows: np.ndarray) -> None:
    infer(service, "reg", [tensor("x", rows.tolist())])
    document = service.http.get("/v2/models/reg").json()
    assert document["platform"] == "xgboost-json"
    assert document["inputs"] == [{"name": "rows", "datatype": "FP64", "shape": [-1, 3]}]
    assert {"name": "shap_values", "datatype": "FP64", "shape": [-1, 3]} in document["outputs"]
    assert service.http.get("/v2/models/reg/ready").json() == {"ready": True, "name": "reg"}
    assert service.http.get("/v2/health/ready").json() == {"ready": True}
    assert service.http.get("/v2/health/live").json() == {"live": True}
    assert service.http.get("/v2").json()["name"] == "shap-supervisor"


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ([tensor("x", [[1.0, 2.0]])], "feature_count"),
        ([tensor("x", [1.0, 2.0], shape=[4, 3])], "bad_tensors"),
        ([tensor("age", ["x"], "BYTES"), tensor("fare", [1.0]), tensor("size", [1.0])], "not_numeric"),
        ([], "no_rows"),
    ],
)
def test_what_its_job_refuses(service: Service, inputs: list[dict[str, Any]], code: str) -> None:
    answer = service.http.post("/v2/models/reg/infer", json={"inputs": inputs})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["error"] == answer.json()["detail"]
    assert answer.headers["content-type"] == "application/json"


def test_many_at_once(service: Service, booster: xgboost.Booster, rows: np.ndarray) -> None:
    """Each gets its own."""
    wrong = []

    def ask(number: int) -> None:
        found = infer(service, "reg", [tensor("x", rows[number : number + 1].tolist())])
        if not np.allclose(found["shap_values"], expected(booster, rows[number : number + 1])[:, :-1], atol=1e-5):
            wrong.append(number)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_document_may_also_be_the_data_of_a_job(service: Service, booster: xgboost.Booster, rows: np.ndarray) -> None:
    document = json.dumps({"inputs": [tensor("x", rows.tolist())]}).encode()
    job_id = service.submit(bytes(booster.save_raw("json")), document)
    assert service.ended(job_id)["status"] == "finished"
    np.testing.assert_allclose(service.values(job_id), expected(booster, rows)[:, :-1], atol=1e-5)
