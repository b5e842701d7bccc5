"""The inference protocols at the door: what is refused, and how long is waited. See tests/service for values."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api import inference
from api.inference import WAIT_S
from api.json_body import MAX_BYTES
from tests.api.conftest import MODEL, MakeClient, Web
from tests.api.test_admission import together
from tests.api.test_process import LIMIT_BYTES, MIB

ROWS = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]}


@pytest.fixture(autouse=True)
def _registered(client: TestClient) -> None:
    assert client.put("/models/churn", content=MODEL).status_code == 201


@pytest.mark.parametrize(
    ("changes", "status", "code", "said"),
    [
        ({"inputs": 1}, 400, "unexpected_part", "inputs"),
        ({"inputs": [{"name": "x"}]}, 400, "unexpected_part", "datatype"),
        ({"outputs": [{"name": "predict"}]}, 400, "invalid_parameter", "shap_values"),
        ({"parameters": {"explainr": "tree"}}, 400, "invalid_parameter", "explainr"),
        ({"parameters": {"explainer": "forest"}}, 400, "invalid_parameter", "forest"),
        ({"parameters": {"reduce": "summary"}}, 400, "invalid_parameter", "reduce"),
    ],
)
def test_refused(client: TestClient, changes: dict[str, Any], status: int, code: str, said: str) -> None:
    answer = client.post("/v2/models/churn/infer", json={**ROWS, **changes})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert said in answer.json()["error"]
    assert client.get("/jobs").json()["jobs"] == []


def test_tensors_in_binary_are_refused_with_the_way_out(client: TestClient) -> None:
    headers = {"Inference-Header-Content-Length": "10", "Content-Type": "application/octet-stream"}
    answer = client.post("/v2/models/churn/infer", content=b"x" * 20, headers=headers)
    assert answer.status_code == 415
    assert "binary_data=False" in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/models/none/infer"),
        ("POST", "/v1/models/none:explain"),
        ("GET", "/v2/models/none"),
        ("GET", "/v2/models/none/ready"),
    ],
)
def test_a_model_that_nobody_knows(make_client: MakeClient, tmp_path: Path, method: str, path: str) -> None:
    client = make_client(trusted_model_dir=tmp_path)
    body = {"instances": [[1]]} if "v1" in path else ROWS
    answer = client.request(method, path, **({"json": body} if method == "POST" else {}))
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_model"), answer.text
    assert "churn" in answer.json()["error"]


def test_nobody_is_there_to_work(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job goes on, and is named."""
    monkeypatch.setattr(inference, "WAIT_S", 0.2)
    answer = client.post("/v2/models/churn/infer", json=ROWS)
    assert answer.json()["data"]["wait_s"] == 0.2
    (job,) = client.get("/jobs").json()["jobs"]
    assert (answer.status_code, answer.json()["code"]) == (504, "still_running")
    assert answer.json()["data"]["job_id"] == job["job_id"]
    assert f"/jobs/{job['job_id']}/result" in answer.json()["error"]
    assert client.get("/v2/health/ready").status_code == 503
    assert WAIT_S == 60


def test_large_bodies_are_not_kept_while_their_jobs_run(web: Web) -> None:
    """Nobody is there to work: all of them wait."""
    values = b"[%b1]" % (b"1," * (MAX_BYTES // 2 - 200))
    size = values.count(b",") + 1
    body = b'{"inputs": [{"name": "x", "datatype": "FP64", "shape": [%d, 1], "data": %b}]}' % (size, values)
    statuses = []

    def ask() -> None:
        connection = web.connect()
        headers = {"Content-Type": "application/json", "Prefer": "wait=20"}
        connection.request("POST", "/v2/models/churn/infer", body=body, headers=headers)
        statuses.append(connection.getresponse().status)

    together(12, ask)
    assert set(statuses) == {504}
    assert web.memory("VmHWM") < LIMIT_BYTES, f"{web.memory('VmHWM') / MIB:.1f} MiB"


def test_they_need_the_token(make_client: MakeClient) -> None:
    client = make_client(api_token="secret")
    assert client.post("/v2/models/churn/infer", json=ROWS).status_code == 401
    assert client.post("/v1/models/churn:explain", json={"instances": [[1]]}).status_code == 401
    assert client.get("/v2/models/churn").status_code == 401
    assert client.get("/v2/health/live").status_code == 200


def test_of_a_model_that_no_job_has_loaded_neither_rows_nor_features_are_counted(client: TestClient) -> None:
    assert client.put("/models/price", content=MODEL).status_code == 201
    (rows,) = client.get("/v2/models/price").json()["inputs"]
    assert rows == {"name": "rows", "datatype": "FP64", "shape": [-1, -1]}
