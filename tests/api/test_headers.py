"""One Host in every request, and `nosniff` on every answer."""

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from jobs.settings import Settings


@pytest.mark.parametrize("path", ["/", "/jobs", "/nope", "/health", "/jobs/x/result"])
def test_no_browser_guesses_at_a_type(client: TestClient, path: str) -> None:
    for method in ("GET", "PUT", "OPTIONS"):
        assert client.request(method, path).headers.get_list("x-content-type-options") == ["nosniff"]


def test_what_is_ours_to_mend_has_it_too() -> None:
    client = TestClient(create_app(Settings()), raise_server_exceptions=False)  # no lifespan, so no resources
    response = client.get("/jobs")
    assert (response.status_code, response.headers["x-content-type-options"]) == (500, "nosniff")


def test_a_second_host_is_refused(client: TestClient) -> None:
    response = client.get("/jobs", headers=[("host", "testserver"), ("host", "testserver")])
    assert (response.status_code, response.json()["code"]) == (400, "malformed_request")
    assert "2 Host headers" in response.json()["detail"]
