"""The page's files as a browser gets them: by Accept, under a strict policy, small, and again only when changed."""

import gzip
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.page import files

HTML = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
OWN = sorted(
    path.name for path in files.HERE.glob("*.*") if path.suffix in files.MEDIA_TYPES and path.name != "vega.js"
)
OWN_BYTES = 60_000


def test_browsers_get_the_page_and_others_the_index(client: TestClient) -> None:
    page = client.get("/", headers=HTML)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert client.get("/docs", headers=HTML).text == page.text
    for accept in ("application/json", "*/*", ""):
        assert client.get("/", headers={"accept": accept}).json()["name"] == "shap-supervisor"
    assert "Accept" in page.headers["vary"]
    assert "Accept" in client.get("/").headers["vary"]


def test_nothing_in_it_is_inline_or_from_elsewhere(client: TestClient) -> None:
    page = client.get("/", headers=HTML)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style|\son\w+=|style=|(src|href)=\"(?![/#])", page.text)
    for name in OWN:
        text = client.get(f"/page/{name}").text if name != "index.html" else page.text
        assert not re.search(r"(?<!www\.w3\.org/2000/)https?://(?!www\.w3\.org/2000/svg)", text), name
        assert "innerHTML" not in text, name


def test_a_file_is_asked_for_again_and_sent_when_it_has_changed(client: TestClient) -> None:
    response = client.get("/page/main.js")
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["cache-control"] == "no-cache"
    again = client.get("/page/main.js", headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = client.get(
        "/page/main.js", headers={"accept-encoding": "identity", "if-none-match": response.headers["etag"]}
    )
    assert (plain.status_code, plain.text) == (200, response.text)


@pytest.mark.parametrize("name", ["files.py", "__init__.py", "nothing.js", "..%2Fapp.py", "%2e%2e", "index.html"])
def test_nothing_else_is_a_file_of_it(client: TestClient, name: str) -> None:
    assert client.get(f"/page/{name}").json()["code"] == "not_found"


def test_all_of_our_own_is_small() -> None:
    assert sum(len(gzip.compress((files.HERE / name).read_bytes())) for name in OWN) < OWN_BYTES


def test_the_map_names_every_file() -> None:
    text = (files.HERE / "__init__.py").read_text()
    assert [name for name in OWN if f"`{name}`" not in text] == []
    imported = re.findall(
        r"from \"\./(\w+\.js)\"|import\(\"\./(\w+\.js)\"\)", "".join((files.HERE / name).read_text() for name in OWN)
    )
    assert {one or other for one, other in imported} - {"vega.js"} <= {Path(name).name for name in OWN}
