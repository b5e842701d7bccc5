"""A token becomes a cookie: who may come in with it, which pages may use it, how it ends."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.auth import SESSION_COOKIE
from api.tokens import SESSION_S, Realm, Tokens
from jobs.errors import Forbidden, Unauthorized
from jobs.settings import Settings
from tests.api.conftest import MakeClient, files

API, ALICE, ADMIN = "api-tökən", "alice-token", "admin-token"
SETTINGS: dict[str, Any] = {"api_token": API, "api_tokens": f"alice={ALICE}", "admin_token": ADMIN}


@pytest.fixture
def guarded(make_client: MakeClient) -> TestClient:
    return make_client(**SETTINGS, host="0.0.0.0")


def sign_in(client: TestClient, token: str, **headers: str) -> Any:
    return client.post(
        "/session", json={"token": token}, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_without_tokens_everybody_is_in(client: TestClient) -> None:
    everything = {"needs_token": False, "jobs": True, "admin": True, "caller": ""}
    assert client.get("/session").json() == everything
    response = sign_in(client, "whatever")
    assert (response.json(), "set-cookie" in response.headers) == (everything, False)


@pytest.mark.parametrize(("token", "caller", "admin"), [(API, "", False), (ALICE, "alice", False), (ADMIN, "", True)])
def test_a_session_opens_what_its_token_opens(guarded: TestClient, token: str, caller: str, admin: bool) -> None:
    assert guarded.get("/session").json() == {"needs_token": True, "jobs": False, "admin": False, "caller": None}
    assert guarded.get("/jobs").status_code == 401
    assert sign_in(guarded, token).json() == {"needs_token": True, "jobs": True, "admin": admin, "caller": caller}
    job = guarded.post("/analyze", files=files()).json()
    assert guarded.get(f"/jobs/{job['job_id']}").json().get("caller", "") == caller
    assert guarded.get("/admin/memory").status_code == (200 if admin else 403)
    assert guarded.delete("/session").status_code == 204
    assert guarded.get("/jobs").status_code == 401


def test_the_cookie_is_for_this_service_alone_and_tells_nothing(guarded: TestClient) -> None:
    cookie = sign_in(guarded, ALICE).headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/", f"max-age={SESSION_S}"} <= set(cookie.split("; "))
    assert ALICE not in cookie
    assert "secure" not in cookie.split("; ")
    assert "secure" in sign_in(guarded, ALICE, x_forwarded_proto="https").headers["set-cookie"].lower().split("; ")


@pytest.mark.parametrize("token", ["", "wrong", "alice"])
def test_a_wrong_token_opens_nothing(guarded: TestClient, token: str) -> None:
    response = sign_in(guarded, token)
    assert (response.status_code, response.json()["code"], "set-cookie" in response.headers) == (
        403,
        "forbidden",
        False,
    )


@pytest.mark.parametrize(
    ("body", "code"), [(b"", "malformed_json"), (b"[1]", "malformed_json"), (b"x" * 5000, "too_large")]
)
def test_what_is_no_token_is_refused(guarded: TestClient, body: bytes, code: str) -> None:
    assert guarded.post("/session", content=body).json()["code"] == code


FOREIGN = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://testserver:9000"},
    {"sec-fetch-site": "cross-site", "origin": "http://testserver"},
    {"sec-fetch-site": "same-site", "origin": "http://testserver"},
)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_page_changes_nothing_with_it(guarded: TestClient, headers: dict[str, str]) -> None:
    """Whatever a browser would let through: a bearer token's sender has put it there itself."""
    sign_in(guarded, API)
    for method, path in (("POST", "/analyze"), ("DELETE", "/jobs/x"), ("PUT", "/models/m"), ("DELETE", "/session")):
        response = guarded.request(method, path, headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "foreign_origin")
    assert sign_in(guarded, API, **headers).status_code == 403
    bearer = {"authorization": f"Bearer {ALICE}", **headers}
    assert guarded.delete("/jobs/x", headers=bearer).status_code == 404
    assert guarded.get("/jobs", headers=headers).status_code == 200, "which no other page can read"


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://testserver"}, {"sec-fetch-site": "same-origin", "origin": "https://proxy.example"}],
    ids=str,
)
def test_our_own_page_may(guarded: TestClient, headers: dict[str, str]) -> None:
    assert sign_in(guarded, API, **headers).status_code == 200
    assert guarded.post("/analyze", files=files(), headers=headers).status_code == 202


def test_a_page_that_the_operator_names_may(make_client: MakeClient) -> None:
    """Of a proxy that changes the Host, say; `*` names nobody."""
    named = {"origin": "https://shap.example"}
    for origins, status in (("https://shap.example", 200), ("*", 403)):
        client = make_client(**SETTINGS, cors_origins=(origins,))
        assert client.post("/session", json={"token": API}, headers=named).status_code == status


def test_a_token_that_is_sent_counts_more(guarded: TestClient) -> None:
    sign_in(guarded, ADMIN)
    assert guarded.get("/jobs", headers={"authorization": "Bearer wrong"}).status_code == 403


def test_it_ends_with_its_time_and_with_its_token() -> None:
    now = [1e9]
    tokens = Tokens(Settings(**SETTINGS), clock=lambda: now[0])
    session = tokens.open_session(ALICE)
    assert tokens.caller(Realm.API, None, session).name == "alice"
    others = Tokens(Settings(**{**SETTINGS, "api_tokens": "alice=another"}), clock=lambda: now[0])
    with pytest.raises(Unauthorized):
        others.caller(Realm.API, None, session)
    now[0] += SESSION_S + 1
    with pytest.raises(Unauthorized):
        tokens.caller(Realm.API, None, session)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: "9" + s,
        lambda s: s[:-1] + ("0" if s[-1] != "0" else "1"),
        lambda s: s * 9,
        lambda s: "ü" + s,
        lambda s: "",
        lambda s: "..",
    ],
)
def test_what_was_not_sealed_here_is_no_session(change: Any) -> None:
    tokens = Tokens(Settings(**SETTINGS))
    with pytest.raises(Unauthorized):
        tokens.caller(Realm.API, None, change(tokens.open_session(ADMIN)))
    with pytest.raises(Forbidden):
        tokens.caller(Realm.ADMIN, None, tokens.open_session(ALICE))


def test_the_cookie_has_a_name_of_its_own(guarded: TestClient) -> None:
    sign_in(guarded, API)
    assert list(guarded.cookies) == [SESSION_COOKIE]


def test_a_session_lasts_a_working_day() -> None:
    assert SESSION_S == 43_200
