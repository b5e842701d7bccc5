"""Pictures and the report over HTTP: drawn by a process of their own, harmless whatever a feature is called."""

import re
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from api import drawing
from tests.api.player import Player
from tests.api.test_samples import FEATURES, code, job

HARMLESS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "figure", "img", "figcaption", "table"}
HARMLESS |= {"thead", "tbody", "tr", "th", "td", "svg", "rect"}


class Reader(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def read(client: TestClient, path: str) -> Reader:
    response = client.get(path)
    assert response.status_code == 200, response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]
    found = Reader(response.text)
    assert found.tags <= HARMLESS
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    sources = [value or "" for name, value in found.attributes if name in {"src", "href"}]
    assert all(value.startswith("data:image/") for value in sources), "nothing is loaded from anywhere"
    return found


@pytest.fixture
def nothing_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda _: None)


@pytest.mark.usefixtures("nothing_draws")
def test_without_what_draws_there_are_words_and_bars(client: TestClient, player: Player) -> None:
    path = f"/jobs/{job(client, player, 2)}"
    for media_type in ("image/svg+xml", "image/png"):
        response = client.get(f"{path}/plots/bar", headers={"accept": media_type})
        assert (response.status_code, response.json()["code"]) == (501, "no_drawing")
        assert "shap-supervisor[charts]" in response.json()["detail"]
    found = read(client, f"{path}/report")
    assert "shap-supervisor[charts]" in found.text
    assert {"svg", "rect"} <= found.tags
    assert "img" not in found.tags
    assert all(name in found.text for name in (*FEATURES, "RandomForestRegressor", "It is a forest."))
    assert "Over 6 rows the prediction for yes is 0.5" in found.text
    assert "Row 2 starts from 0.5 and comes to 3.5 by a = missing (+2), <img onerror=1> = blue (+1)" in found.text


@pytest.mark.skipif(not drawing.can_draw(), reason="vl-convert is not installed here: pip install vl-convert-python")
def test_pictures_are_drawn_beside_the_web_process(client: TestClient, player: Player) -> None:
    path = f"/jobs/{job(client, player)}"
    svg = client.get(f"{path}/plots/bar", headers={"accept": "image/svg+xml"})
    assert (svg.status_code, svg.headers["content-type"]) == (200, "image/svg+xml")
    assert svg.text.startswith("<svg")
    assert "<img" not in svg.text
    assert "&lt;img onerror=1&gt;" in svg.text
    png = client.get(f"{path}/plots/waterfall?row=5", headers={"accept": "image/png"})
    assert png.content.startswith(b"\x89PNG")
    found = read(client, f"{path}/report?rows=0,5")
    pictures = [value for name, value in found.attributes if name == "src"]
    assert len(pictures) == 5
    assert len({value for name, value in found.attributes if name == "alt"}) == 5
    assert re.findall(r"Row (\d) starts", found.text) == ["0", "5"]


def test_rows_of_a_report_are_rows_of_the_sample(client: TestClient, player: Player) -> None:
    path = f"/jobs/{job(client, player)}/report"
    assert code(client, f"{path}?rows=1") == (404, "not_in_job")
    assert code(client, f"{path}?rows={'9' * 12}") == (404, "not_in_job")
    assert code(client, f"{path}?rows={'9' * 13}") == (400, "invalid_parameter")
    assert code(client, f"{path}?rows=a") == (400, "invalid_parameter")
    assert code(client, f"{path}?rows=0,2,5,0,2,5") == (400, "invalid_parameter")


@pytest.mark.usefixtures("nothing_draws")
def test_a_report_of_a_job_without_a_sample(client: TestClient, player: Player) -> None:
    job_id = job(client, player)
    client.delete(f"/jobs/{job_id}/result")
    assert "On average it is moved most by a by 2" in read(client, f"/jobs/{job_id}/report").text


def test_what_cannot_be_drawn_is_refused_by_name(
    client: TestClient, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda _: True)
    monkeypatch.setattr(drawing, "TIMEOUT_S", 0.0)
    path = f"/jobs/{job(client, player)}"
    assert code(client, f"{path}/plots/bar", accept="image/png") == (507, "drawing_failed")
    assert "it took over 0 seconds" in read(client, f"{path}/report").text
    monkeypatch.setattr(drawing, "MOST_WAITING", 0)
    assert code(client, f"{path}/plots/bar", accept="image/png") == (503, "too_many_drawings")
