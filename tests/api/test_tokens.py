"""Several callers over HTTP: whose token it is, and that nobody sees, ends or names what is another's."""

import hashlib
import hmac
import io
import json
import logging
from typing import Any

import pytest
import structlog
from starlette.routing import Route
from starlette.testclient import TestClient

from api.app import create_app
from api.tokens import Realm, Tokens
from jobs.callers import OPERATOR
from jobs.settings import Settings
from tests.api.conftest import CSV, MODEL, MakeClient, files
from tests.api.player import Player

ALICE, BOB, ONE, ADMIN = "tok-alice", "tok-bob", "tok-one", "tok-admin"
TOKENS = {"api_token": ONE, "api_tokens": f"alice={ALICE},bob={BOB}", "admin_token": ADMIN}


@pytest.fixture
def guarded(make_client: MakeClient) -> TestClient:
    return make_client(**TOKENS, host="0.0.0.0")


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **more}


def submit(client: TestClient, token: str, **more: str) -> str:
    response = client.post("/analyze", files=files(), headers=bearer(token, **more))
    assert response.status_code == 202, response.text
    job_id: str = response.json()["job_id"]
    return job_id


def listed(client: TestClient, token: str, path: str = "/jobs") -> list[str]:
    return [job["job_id"] for job in client.get(path, headers=bearer(token)).json()["jobs"]]


# --- tokens ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("token", "name"), [(ALICE, "alice"), (BOB, "bob"), (ONE, "")])
def test_a_token_is_its_callers(token: str, name: str) -> None:
    tokens = Tokens(Settings(**TOKENS, caller_waiting_jobs=1, caller_stored_mb=2, caller_requests_per_minute=3))
    caller = tokens.caller(Realm.API, f"Bearer {token}")
    assert (caller.name, caller.sees_all) == (name, False)
    assert (caller.most_jobs, caller.most_bytes, caller.most_requests) == (1, 2 * 1024**2, 3)
    assert tokens.caller(Realm.API, f"Bearer {ADMIN}") is tokens.caller(Realm.ADMIN, f"Bearer {ADMIN}") is OPERATOR


def test_every_token_is_compared_as_a_hash_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest
    tokens = Tokens(Settings(**TOKENS))
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    tokens.caller(Realm.API, f"Bearer {ALICE}")
    sent = hashlib.sha256(ALICE.encode()).digest()
    assert {known for _, known in compared} == {hashlib.sha256(t.encode()).digest() for t in (ALICE, BOB, ONE, ADMIN)}
    assert {found for found, _ in compared} == {sent}


@pytest.mark.parametrize("tokens", [{}, {"admin_token": ADMIN}])
def test_where_jobs_need_no_token_everything_is_as_ever(make_client: MakeClient, tokens: dict[str, str]) -> None:
    client = make_client(**tokens, caller_waiting_jobs=1, caller_requests_per_minute=1, caller_stored_mb=1)
    ids = [client.post("/analyze", files=files()).json()["job_id"] for _ in range(3)]
    assert [job["job_id"] for job in client.get("/jobs").json()["jobs"]] == ids[::-1]
    assert "caller" not in client.get("/jobs").json()["jobs"][0]


def test_named_tokens_alone_close_the_door(make_client: MakeClient) -> None:
    client = make_client(api_tokens=f"alice={ALICE}")
    assert client.get("/jobs").status_code == 401
    assert client.get("/jobs", headers=bearer(ONE)).status_code == 403
    assert client.get("/jobs", headers=bearer(ALICE)).status_code == 200
    assert create_app(Settings(host="0.0.0.0", api_tokens="a=b", admin_token=ADMIN))


@pytest.mark.parametrize("token", [ALICE, ONE])
def test_no_callers_token_opens_the_operators_routes(guarded: TestClient, token: str) -> None:
    response = guarded.get("/admin/queue", headers=bearer(token))
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert not any(secret in response.text for secret in (ALICE, BOB, ONE, ADMIN))


# --- jobs ------------------------------------------------------------------------------------------------------


def with_a_job() -> list[tuple[str, str]]:
    found = [route for route in create_app(Settings()).routes if isinstance(route, Route) and "{job_id}" in route.path]
    return [(method, route.path) for route in found for method in sorted(route.methods or ())]


@pytest.mark.parametrize(("method", "path"), with_a_job())
@pytest.mark.parametrize("token", [BOB, ONE])
def test_another_callers_job_answers_as_one_that_never_was(
    guarded: TestClient, player: Player, method: str, path: str, token: str
) -> None:
    job_id = submit(guarded, ALICE)
    player.finish(job_id, b"x" * 32, rows=2, features=["a", "b"])
    path = path.replace("{kind}", "additivity")
    answers = [
        guarded.request(method, path.replace("{job_id}", name), headers=bearer(token)) for name in (job_id, "f" * 24)
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(job_id, "f" * 24) == answers[1].text
    own = guarded.request(method, path.replace("{job_id}", job_id), headers=bearer(ALICE))
    if path.endswith(("/sample", "/ids")):  # of which this job has kept none
        assert own.headers["content-length"] != answers[0].headers["content-length"]
    else:
        assert own.status_code != 404, "and its own is there, whatever others have tried"


def test_each_lists_its_own_and_the_operator_all(guarded: TestClient) -> None:
    ids = {token: submit(guarded, token) for token in (ALICE, BOB, ONE, ADMIN)}
    assert listed(guarded, ALICE) == [ids[ALICE]]
    assert listed(guarded, ONE) == [ids[ADMIN], ids[ONE]], "the operator's jobs are the unnamed caller's"
    assert listed(guarded, ADMIN) == [ids[ADMIN], ids[ONE], ids[BOB], ids[ALICE]]
    assert listed(guarded, ADMIN, "/jobs?caller=alice") == [ids[ALICE]]
    documents = guarded.get("/jobs", headers=bearer(ADMIN)).json()["jobs"]
    assert [job.get("caller") for job in documents] == [None, None, "bob", "alice"]
    assert guarded.get(f"/jobs/{ids[BOB]}", headers=bearer(BOB)).json()["caller"] == "bob"


def test_the_operator_ends_and_submits_for_others(guarded: TestClient) -> None:
    assert guarded.delete(f"/jobs/{submit(guarded, ALICE)}", headers=bearer(ADMIN)).json()["status"] == "cancelled"
    made = guarded.post("/analyze?caller=alice", files=files(), headers=bearer(ADMIN)).json()["job_id"]
    assert made in listed(guarded, ALICE)
    assert made not in listed(guarded, ONE)


@pytest.mark.parametrize(("token", "name"), [(BOB, "alice"), (ONE, "alice"), (BOB, ""), (ADMIN, "a/b"), (ADMIN, "*")])
def test_nobody_else_acts_for_others_and_only_for_names(guarded: TestClient, token: str, name: str) -> None:
    response = guarded.get("/jobs", params={"caller": name}, headers=bearer(token))
    assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter")
    assert response.json()["data"]["field"] == "caller"
    assert guarded.get("/jobs?caller=bob", headers=bearer(BOB)).status_code == 200


def test_an_idempotency_key_of_two_callers_is_two(guarded: TestClient) -> None:
    key = {"Idempotency-Key": "k"}
    ids = [submit(guarded, token, **key) for token in (ALICE, BOB, ONE, ALICE)]
    assert len(set(ids)) == 3
    assert ids[3] == ids[0]


def test_a_waiting_caller_gets_its_own_result(guarded: TestClient) -> None:
    """What `Prefer: wait` looks for is scoped, too."""
    response = guarded.post("/analyze", files=files(), headers=bearer(ALICE, prefer="wait=1"))
    assert response.status_code == 202


# --- models ----------------------------------------------------------------------------------------------------


def put(client: TestClient, token: str, path: str = "/models/m", content: bytes = MODEL) -> Any:
    headers = bearer(token, **{"content-type": "application/octet-stream"})
    return client.put(path, content=content, headers=headers)


def test_a_models_name_of_two_callers_is_two_models(guarded: TestClient) -> None:
    contents = {ALICE: MODEL, BOB: MODEL + b" ", ONE: MODEL + b"  "}
    for token, content in contents.items():
        assert put(guarded, token, content=content).status_code == 201
    for token, content in contents.items():
        found = guarded.get("/models", headers=bearer(token)).json()["models"]
        assert [(model["name"], model["size_bytes"]) for model in found] == [("m", len(content))]
    everybodys = guarded.get("/models", headers=bearer(ADMIN)).json()["models"]
    assert [model.get("caller") for model in everybodys] == [None, "alice", "bob"]
    assert guarded.get("/models/m?caller=bob", headers=bearer(ADMIN)).json()["caller"] == "bob"
    assert guarded.delete("/models/m", headers=bearer(ALICE)).status_code == 204
    assert guarded.get("/models/m", headers=bearer(ALICE)).status_code == 404
    assert guarded.get("/models/m", headers=bearer(BOB)).status_code == 200


def test_a_job_does_not_name_anothers_model(guarded: TestClient, player: Player) -> None:
    player.heartbeat(trusted_models=[])
    put(guarded, ALICE)
    parts = {"data": ("d.csv", CSV), "model_id": (None, "m")}
    refused = guarded.post("/analyze", files=parts, headers=bearer(BOB))
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_model")
    assert refused.json()["data"]["known"] == "none"
    assert guarded.get("/models/m", headers=bearer(BOB)).status_code == 404
    assert guarded.post("/analyze", files=parts, headers=bearer(ALICE)).status_code == 202


# --- what operators see ----------------------------------------------------------------------------------------


def test_the_operator_sees_who_waits_and_who_has_how_much(guarded: TestClient) -> None:
    for token in (ALICE, ALICE, BOB):
        submit(guarded, token)
    queue = guarded.get("/admin/queue", headers=bearer(ADMIN)).json()
    assert [(one["caller"], one["jobs"]) for one in queue["callers"]] == [("alice", 2), ("bob", 1)]
    assert [job["caller"] for job in queue["jobs"]] == ["alice", "bob", "alice"]
    metrics = guarded.get("/metrics", headers=bearer(ADMIN)).text
    assert 'caller_jobs{caller="alice"} 2' in metrics
    assert f'caller_bytes{{caller="bob"}} {len(CSV) + len(MODEL)}' in metrics


def test_logs_name_the_caller_and_no_token(guarded: TestClient) -> None:
    said = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(said),
        cache_logger_on_first_use=False,
    )
    try:
        submit(guarded, ALICE)
        guarded.get("/jobs", headers=bearer("tok-guess"))
    finally:
        structlog.reset_defaults()
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert {line["event"] for line in lines if line.get("caller") == "alice"} == {"job_submitted", "request"}
    assert "tok-" not in said.getvalue()
