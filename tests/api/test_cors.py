"""Preflights: nobody may, unless CORS_ORIGINS says so."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import MakeClient

PAGE = "https://app.example"
ASKS = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,idempotency-key"}


def preflight(client: TestClient, origin: str = PAGE, path: str = "/analyze") -> Any:
    return client.options(path, headers={"origin": origin, **ASKS})


@pytest.mark.parametrize("path", ["/analyze", "/jobs/x", "/nope"])
def test_nobody_is_allowed_by_default(client: TestClient, path: str) -> None:
    response = preflight(client, path=path)
    assert (response.status_code, response.json()["code"]) == (403, "foreign_origin")
    assert not [name for name in response.headers if name.startswith("access-control-allow")]
    assert "Origin" in response.headers["vary"]


def test_who_is_named_is_allowed_with_what_it_asks_for(make_client: MakeClient) -> None:
    client = make_client(cors_origins=(PAGE,), api_token="a", admin_token="b")
    response = preflight(client)
    assert response.status_code == 200, "it carries no token, and needs none"
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-headers"] == ASKS["access-control-request-headers"]
    assert preflight(client, "https://evil.example").status_code == 403
    answer = client.get("/jobs", headers={"origin": PAGE, "authorization": "Bearer a"})
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "Location" in answer.headers["access-control-expose-headers"]


def test_all_may_be_allowed(make_client: MakeClient) -> None:
    response = preflight(make_client(cors_origins=("*",)), "https://any.example")
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, "*")


def test_options_without_a_page_is_no_preflight(client: TestClient) -> None:
    response = client.options("/jobs")
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}
