"""PUT, GET and DELETE /models: what is taken, who keeps what, and what a `model_id` then means."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from starlette.testclient import TestClient

from api import model_lookup
from jobs import keys
from jobs.records import Input
from jobs.registered import RegisteredModels
from tests.api.conftest import MODEL, MakeClient, files
from tests.api.player import Player, read_input

LIGHTGBM = b"tree\nversion=v4\n"


@pytest.fixture
def registered(client: TestClient) -> dict[str, Any]:
    response = client.put("/models/churn", content=MODEL)
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


def blobs(keyspace: Any) -> int:
    return len(list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*")))


def submit(client: TestClient, model_id: str = "churn", **headers: str) -> str:
    response = client.post("/analyze", files=files(model=None), data={"model_id": model_id}, headers=headers)
    assert response.status_code == 202, response.text
    job_id: str = response.json()["job_id"]
    return job_id


def finish(player: Player, job_id: str) -> None:
    player.finish(job_id, bytes(16), rows=1, features=["a", "b"])


def test_a_models_document(client: TestClient, registered: dict[str, Any], keyspace: Any) -> None:
    assert registered.pop("created_at").endswith("Z")
    assert registered == {
        "name": "churn",
        "source": "registered",
        "format": "xgboost-json",
        "sha256": hashlib.sha256(MODEL).hexdigest(),
        "size_bytes": len(MODEL),
        "family": None,
        "model": None,
        "features": None,
        "outputs": None,
    }
    assert client.get("/models/churn").json().items() >= registered.items()
    (blob,) = keyspace.scan_iter(f"{keys.BLOB_PREFIX}*")
    assert keyspace.ttl(blob) == -1, "it is kept until it is deleted"


def test_a_model_that_is_replaced_while_it_is_named(
    client: TestClient, registered: dict[str, Any], valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at its name and the job's record: the job has what the name means then."""
    resolve, looks = model_lookup.resolve, iter([True, False])

    async def resolved(*asked: Any) -> Input:
        found = await resolve(*asked)
        assert found.blob
        gone = msgspec.structs.replace(found.blob, id="0" * len(found.blob.id))
        return msgspec.structs.replace(found, blob=gone) if next(looks, True) else found

    monkeypatch.setattr(model_lookup, "resolve", resolved)
    assert read_input(valkey_url, submit(client), "model") == MODEL
    refused = client.post("/analyze", files=files(model=None), data={"model_id": "churn"})
    assert refused.json()["code"] == "storage_unavailable", "replaced each time"


def test_a_job_that_names_it(client: TestClient, registered: dict[str, Any], player: Player, valkey_url: str) -> None:
    job_id = submit(client)
    assert read_input(valkey_url, job_id, "model") == MODEL
    finish(player, job_id)
    assert read_input(valkey_url, submit(client), "model") == MODEL, "the end of a job does not end the model"
    found = client.get("/models/churn").json()
    assert (found["family"], found["model"]) == ("scikit-learn", "RandomForestRegressor")
    assert (found["features"], found["outputs"]) == (["a", "b"], ["y"])


@pytest.mark.parametrize("long", [False, True])
def test_a_list_has_names_unless_they_are_endless(
    client: TestClient, registered: dict[str, Any], player: Player, long: bool
) -> None:
    names = ["a" * 10_000, "b"] if long else ["a" * 9_999, "b"]
    player.finish(submit(client), bytes(16), rows=1, features=names, outputs=names)
    (listed,) = client.get("/models").json()["models"]
    assert (listed["features"], listed["outputs"]) == ((2, None) if long else (names, names))


def test_deleted_it_stays_for_the_jobs_that_use_it(
    client: TestClient, registered: dict[str, Any], player: Player, keyspace: Any, valkey_url: str
) -> None:
    first, second = submit(client), submit(client)
    assert client.delete("/models/churn").status_code == 204
    assert client.get("/models/churn").json()["code"] == "unknown_model"
    assert client.delete("/models/churn").json()["code"] == "unknown_model"
    finish(player, first)
    assert read_input(valkey_url, second, "model") == MODEL
    client.delete(f"/jobs/{second}")
    assert blobs(keyspace) == 0


def test_deleted_it_goes_at_once_when_nobody_uses_it(
    client: TestClient, registered: dict[str, Any], player: Player, keyspace: Any
) -> None:
    finish(player, submit(client))
    client.delete("/models/churn")
    assert blobs(keyspace) == 0


def test_replaced_old_jobs_keep_what_they_began_with(
    client: TestClient, registered: dict[str, Any], player: Player, keyspace: Any, valkey_url: str
) -> None:
    old = submit(client)
    response = client.put("/models/churn", content=LIGHTGBM)
    assert (response.status_code, response.json()["format"]) == (200, "lightgbm-text")
    new = submit(client)
    assert [read_input(valkey_url, job_id, "model") for job_id in (old, new)] == [MODEL, LIGHTGBM]
    finish(player, old)
    finish(player, new)
    assert blobs(keyspace) == 1


def test_an_idempotent_request_does_not_take_it_away(
    client: TestClient, registered: dict[str, Any], valkey_url: str
) -> None:
    header = {"Idempotency-Key": "once"}
    first = submit(client, **header)
    assert submit(client, **header) == first
    assert read_input(valkey_url, first, "model") == MODEL
    same = client.post("/analyze", files=files(), headers=header)
    assert same.json()["job_id"] == first, "the same bytes as an upload are the same request"


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"\x80\x04abc", "pickle_refused"), (b"", "empty_body"), (b"nonsense", "unsupported_media_type")],
)
def test_refused(client: TestClient, keyspace: Any, content: bytes, code: str) -> None:
    assert client.put("/models/churn", content=content).json()["code"] == code
    assert blobs(keyspace) == 0
    assert client.get("/models").json() == {"models": []}


def test_a_form_is_not_a_file(client: TestClient) -> None:
    response = client.put("/models/churn", files={"model": ("model.json", MODEL)})
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert "--upload-file" in response.json()["detail"]


@pytest.mark.parametrize("name", [".hidden", "a b", "x" * 129, "-x"])
def test_unusable_names(client: TestClient, name: str) -> None:
    assert client.put(f"/models/{name}", content=MODEL).json()["code"] == "invalid_parameter"
    assert client.get(f"/models/{name}").json()["code"] == "unknown_model"


def test_too_large(make_client: MakeClient, keyspace: Any) -> None:
    client = make_client(max_upload_mb=1)
    response = client.put("/models/churn", content=MODEL + b" " * 1024 * 1024)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    chunked = client.put("/models/churn", content=iter([MODEL, b" " * 1024 * 1024]))
    assert (chunked.status_code, blobs(keyspace)) == (413, 0)


def test_a_model_whose_reply_was_lost_stays(client: TestClient, keyspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be registered by then: its bytes must not be taken back."""
    put = RegisteredModels.put

    async def lost(self: RegisteredModels, *model: Any) -> Any:
        await put(self, *model)
        raise redis.exceptions.ConnectionError("no reply")

    monkeypatch.setattr(RegisteredModels, "put", lost)
    assert client.put("/models/churn", content=MODEL).status_code == 503
    assert blobs(keyspace) == 1
    assert submit(client), "it can be named"


class TestBesideTheOperatorsFiles:
    @pytest.fixture
    def client(self, make_client: MakeClient, tmp_path: Path) -> TestClient:
        for name in ("price.json", "risk.txt"):
            (tmp_path / name).write_bytes(b"x")
        return make_client(trusted_model_dir=tmp_path)

    def source(self, keyspace: Any, job_id: str) -> str:
        model = json.loads(keyspace.hget(keys.job(job_id), "inputs"))["model"]
        return "operator" if "trusted_name" in model else "registered"

    def test_a_whole_name_goes_before_a_stem(self, client: TestClient, keyspace: Any) -> None:
        assert client.put("/models/price", content=MODEL).status_code == 201
        named = [self.source(keyspace, submit(client, name)) for name in ("price", "price.json", "risk")]
        assert named == ["registered", "operator", "operator"]

    def test_an_operators_name_is_taken(self, client: TestClient) -> None:
        response = client.put("/models/price.json", content=MODEL)
        assert (response.status_code, response.json()["code"]) == (409, "model_name_taken")

    def test_all_are_listed(self, client: TestClient) -> None:
        client.put("/models/churn", content=MODEL)
        listed = client.get("/models").json()["models"]
        assert [(model["name"], model["source"]) for model in listed] == [
            ("churn", "registered"),
            ("price.json", "operator"),
            ("risk.txt", "operator"),
        ]
        unknown = client.post("/analyze", files=files(model=None), data={"model_id": "x"}).json()
        assert unknown["data"]["known"] == "churn, price.json, risk.txt"


def test_they_need_the_token(make_client: MakeClient) -> None:
    client = make_client(api_token="t")
    for method in ("GET", "PUT", "DELETE"):
        assert client.request(method, "/models/churn").status_code == 401


def test_an_unknown_one_is_named_up_to_its_128th_character_and_beside_ten_known_ones(client: TestClient) -> None:
    names = [f"model-{number:02}" for number in range(11)]
    for name in names:
        assert client.put(f"/models/{name}", content=MODEL).status_code == 201
    problem = client.get(f"/models/{'x' * 200}").json()
    assert problem["code"] == "unknown_model"
    assert problem["data"]["model_id"] == "x" * 128
    assert problem["data"]["known"] == ", ".join(names[:10])
