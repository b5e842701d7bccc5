"""Tokens: which route needs which, and that no route is forgotten."""

from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from api.app import create_app
from jobs.settings import InvalidSettings, Settings
from tests.api.conftest import MakeClient

OPEN = {"/", "/docs", "/page/{name}", "/session", "/livez", "/readyz", "/health", "/openapi.json"}
OPEN |= {"/v2", "/v2/health/live", "/v2/health/ready"}
ENDLESS = {"/admin/events"}
API, ADMIN = "api-tökən", "admin-token"


@pytest.fixture
def guarded(make_client: MakeClient) -> TestClient:
    return make_client(api_token=API, admin_token=ADMIN, host="0.0.0.0")


def bearer(token: str) -> dict[str, Any]:
    return {"authorization": b"Bearer " + token.encode()}


def routes() -> list[tuple[str, str]]:
    found = [route for route in create_app(Settings()).routes if isinstance(route, Route)]
    return [(method, route.path) for route in found for method in sorted(route.methods or ())]


@pytest.mark.parametrize(("method", "path"), routes())
def test_every_route_but_the_open_ones_needs_a_token(guarded: TestClient, method: str, path: str) -> None:
    url, method = path.replace("{job_id}", "x"), "HEAD" if path in ENDLESS else method
    response = guarded.request(method, url)
    if path in OPEN:
        assert response.status_code not in {401, 403}
        return
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert guarded.request(method, url, headers=bearer("wrong")).status_code == 403
    assert guarded.request(method, url, headers=bearer(ADMIN)).status_code not in {401, 403}
    api_may = not path.startswith("/admin") and path != "/metrics"
    assert (guarded.request(method, url, headers=bearer(API)).status_code not in {401, 403}) is api_may


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", f"Basic {ADMIN}", ADMIN])
def test_no_bearer_token(guarded: TestClient, value: str) -> None:
    response = guarded.get("/jobs", headers={"authorization": value})
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert ADMIN not in response.text


def test_a_wrong_token_is_not_echoed(guarded: TestClient) -> None:
    response = guarded.get("/jobs", headers=bearer("guess"))
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert "guess" not in response.text
    assert API not in response.text


def test_each_token_guards_its_own_routes_only(make_client: MakeClient) -> None:
    client = make_client(admin_token=ADMIN)
    assert client.get("/jobs").status_code == 200
    assert client.get("/admin/queue").status_code == 401
    client = make_client(api_token=API)
    assert client.get("/jobs").status_code == 401
    assert client.get("/admin/queue").status_code == 200


@pytest.mark.parametrize("tokens", [{}, {"api_token": API}, {"admin_token": ADMIN}])
def test_the_app_does_not_start_open_to_everyone(tokens: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings, match="API_TOKEN and ADMIN_TOKEN"):
        create_app(Settings(host="0.0.0.0", **tokens))
