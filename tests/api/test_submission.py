"""The part `expected`: the caller's own predictions, taken as they are up to their limit."""

import json

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import files
from tests.api.player import read_input
from tests.api.test_analyze import JSON_BODY


@pytest.mark.parametrize("content", [b"0.25\n0.5\n", b"p\n0.25\n", b"[0.25, 0.5]", b"\x93NUMPY", b"1\n" * 524_288])
def test_predictions_are_a_part_of_their_own(client: TestClient, valkey_url: str, content: bytes) -> None:
    """A header is not asked for, and what is in them is a child's to say."""
    job_id = client.post("/analyze", files=files(expected=("e", content))).json()["job_id"]
    assert read_input(valkey_url, job_id, "expected") == content


def test_predictions_in_json(client: TestClient, valkey_url: str) -> None:
    job_id = client.post("/analyze", json={**JSON_BODY, "expected": [0.25, 0.5]}).json()["job_id"]
    assert json.loads(read_input(valkey_url, job_id, "expected")) == [0.25, 0.5]


def test_predictions_that_are_too_many_are_told_how_many_suffice(client: TestClient) -> None:
    problem = client.post("/analyze", files=files(expected=("e", b"1\n" * 600_000))).json()
    assert (problem["data"]["field"], problem["data"]["limit_bytes"]) == ("expected", 1024 * 1024)
    assert "first rows only" in problem["detail"]


def test_a_whole_number_may_be_written_as_a_fraction(client: TestClient) -> None:
    """JSON Schema counts 7.0 among the integers, and there are languages that write all their numbers so."""
    options = '{"seed": 1002.0, "batch_size": 7.0, "max_evals": 5e2}'
    job_id = client.post("/analyze", files=files(options=(None, options))).json()["job_id"]
    assert client.get(f"/jobs/{job_id}").json()["options"] == {"seed": 1002, "batch_size": 7, "max_evals": 500}
    for refused in ('{"seed": 0.5}', '{"seed": 1e300}', '{"dry_run": 1.0}', '{"seed": "7"}'):
        assert client.post("/analyze", files=files(options=(None, refused))).status_code == 422


@pytest.mark.parametrize(("named", "got"), [({"model": None}, "neither"), ({"model_id": (None, "tiny")}, "both")])
def test_a_model_is_sent_or_named(client: TestClient, named: dict[str, object], got: str) -> None:
    problem = client.post("/analyze", files=files(**named)).json()
    assert (problem["code"], problem["data"]) == ("model_choice", {"got": got})
