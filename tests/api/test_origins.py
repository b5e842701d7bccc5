"""A service without tokens on loopback, as web pages meet it: a stranger's name for this machine, a stranger's page."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.origins import _parts
from tests.api.conftest import MakeClient, files

HERE = "127.0.0.1:8000"
PAGE = "https://app.example"


def ask(client: TestClient, method: str = "GET", path: str = "/jobs", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.request(method, path, headers={"host": HERE, **named})


OWN_HOSTS = (
    HERE,
    "localhost",
    "LOCALHOST:8000",
    "localhost.",
    "[::1]:8000",
    "127.1.2.3",
    "testserver",
)
FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:8000",
    "127.0.0.1.evil.example",
    "x@127.0.0.1",
    "localhost.evil",
    "[::2]",
    "",
    "a b",
)


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_names_of_this_machine_are_answered(client: TestClient, host: str) -> None:
    """`testserver` is where this client's connection came in."""
    assert ask(client, host=host).status_code == 200


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
@pytest.mark.parametrize("path", ["/jobs", "/", "/admin/memory", "/livez"])
def test_other_names_are_refused(client: TestClient, host: str, path: str) -> None:
    response = ask(client, path=path, host=host)
    assert (response.status_code, response.json()["code"]) == (403, "foreign_host")


@pytest.mark.parametrize("host", ["evil.example", HERE])
def test_with_tokens_any_name_is_answered(make_client: MakeClient, host: str) -> None:
    client = make_client(api_token="a", admin_token="b")
    assert ask(client, host=host, authorization="Bearer b").status_code == 200
    assert ask(client, host=host, path="/admin/queue", authorization="Bearer b").status_code == 200


def test_each_token_opens_its_own_routes_to_any_name(make_client: MakeClient) -> None:
    client = make_client(api_token="a")
    assert ask(client, host="evil.example", authorization="Bearer a").status_code == 200
    assert ask(client, host="evil.example", path="/admin/queue").json()["code"] == "foreign_host"


def test_hosts_that_are_allowed(make_client: MakeClient) -> None:
    client = make_client(allowed_hosts=("shap.example",))
    assert ask(client, host="shap.example:8000").status_code == 200
    assert ask(client, host="evil.example").status_code == 403
    guarded = make_client(allowed_hosts=("shap.example",), api_token="a", admin_token="b", host="0.0.0.0")
    assert ask(guarded, host="shap.example", authorization="Bearer a").status_code == 200
    assert ask(guarded, host="evil.example", authorization="Bearer a").status_code == 403


FOREIGN = (
    {"origin": PAGE},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9000"},
    {"origin": "http://127.0.0.1.evil.example:8000"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "cross-site", "origin": "http://" + HERE},
)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/analyze"), ("DELETE", "/jobs/x"), ("PUT", "/models/m"), ("DELETE", "/models/m")]
)
def test_a_strangers_page_changes_nothing(client: TestClient, method: str, path: str, headers: dict[str, str]) -> None:
    response = ask(client, method, path, **headers)
    assert (response.status_code, response.json()["code"]) == (403, "foreign_origin")


OWN = (
    {},
    {"origin": "http://" + HERE, "sec_fetch_site": "same-origin"},
    {"origin": "http://localhost:8000"},
    {"sec_fetch_site": "none"},
)


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_what_is_no_strangers_page_gets_in(client: TestClient, headers: dict[str, str]) -> None:
    named = {"host": HERE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    assert client.post("/analyze", files=files(), headers=named).status_code == 202


def test_a_page_may_look_without_reading(client: TestClient) -> None:
    """A link, an image: the browser keeps the answer to itself."""
    response = ask(client, origin=PAGE, sec_fetch_site="cross-site")
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


def test_with_tokens_pages_are_kept_out_by_them(make_client: MakeClient) -> None:
    client = make_client(api_token="a", admin_token="b")
    named = {"origin": PAGE, "authorization": "Bearer a"}
    assert client.post("/analyze", files=files(), headers=named).status_code == 202


def test_pages_that_are_allowed_may_submit(make_client: MakeClient) -> None:
    client = make_client(cors_origins=(PAGE,))
    named = {"host": HERE, "origin": PAGE, "sec-fetch-site": "cross-site"}
    response = client.post("/analyze", files=files(), headers=named)
    assert response.status_code == 202
    assert response.headers["access-control-allow-origin"] == PAGE
    assert ask(client, "DELETE", "/jobs/x", origin="https://evil.example").status_code == 403


@pytest.mark.parametrize(
    ("netloc", "found"),
    [("[2001:DB8::1]:80", ("2001:db8::1", "80")), ("HERE.:1", ("here", "1")), ("here:\u0661", ("", ""))],
)
def test_names_are_read_whatever_their_case_and_ports_are_digits(netloc: str, found: tuple[str, str]) -> None:
    assert _parts(netloc) == found
