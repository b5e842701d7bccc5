"""The sample and the charts over HTTP: what there is of a job in each of its states, and every way to ask for less."""

import struct
from typing import Any

import pytest
from starlette.responses import Response
from starlette.testclient import TestClient

from api import charts
from api.resources import Resources
from child.summary import summarize
from jobs.records import JobError, Layout, Partial
from jobs.sample import SampledRows
from tests.api.conftest import files
from tests.api.player import Player, model_info

FEATURES = ["a", "<img onerror=1>"]
VALUES = [[[1.0, -1.0], [0.5, 0.25]], [[-2.0, 2.0], [0.0, 1.0]], [[3.0, -3.0], [0.5, 0.5]]]
"""(rows, features, outputs) of rows 0, 2 and 5."""
ABS_SUM = {1: [12.0, 6.0], 2: [12.0, 24.0, 6.0, 9.0]}
LAYOUT = Layout(format="csv", columns=FEATURES, features=FEATURES)
ROWS, CELLS = [0, 2, 5], [[1.5, "red"], [None, "blue"], [3.0, "a long way"]]


def sampled(places: list[int], outputs: int) -> SampledRows:
    values = [cell for row in places for of_feature in VALUES[row] for cell in of_feature[:outputs]]
    sums = [sum(VALUES[row][f][k] for f in range(2)) + 0.5 for row in places for k in range(outputs)]
    return SampledRows(
        rows=[ROWS[row] for row in places],
        data=[CELLS[row] for row in places],
        values=struct.pack(f"<{len(values)}d", *values),
        predictions=struct.pack(f"<{len(sums)}d", *sums),
    )


def job(client: TestClient, player: Player, outputs: int = 1, samples: Any = ([0, 1], [2]), **options: Any) -> str:
    """6 rows in two chunks of 3."""
    job_id: str = client.post("/analyze", files=files(), **options).json()["job_id"]
    names = ["no", "yes"][:outputs]
    parts = [sampled(places, outputs) for places in samples]
    sums = struct.pack(f"<{4 * outputs}d", *ABS_SUM[outputs], *ABS_SUM[outputs])
    partial = Partial(rows=6, sums=sums, largest_error=0.0, tolerance=1e-9)
    player.finish(
        job_id,
        bytes(6 * 16 * outputs),
        rows=6,
        features=FEATURES,
        outputs=names,
        per_chunk=3,
        row_bytes=16 * outputs,
        samples=parts,
        summary=summarize([partial], model_info(FEATURES, names), LAYOUT),
    )
    return job_id


def code(client: TestClient, path: str, **headers: str) -> tuple[int, str]:
    response = client.get(path, headers=headers)
    return response.status_code, response.json()["code"]


def test_rows_as_they_were_given_with_their_values(client: TestClient, player: Player) -> None:
    job_id = job(client, player)
    assert client.get(f"/jobs/{job_id}/sample").json() == {
        "job_id": job_id,
        "status": "finished",
        "partial": False,
        "total_rows": 6,
        "explains": "prediction",
        "features": FEATURES,
        "outputs": ["no"],
        "base_values": [0.5],
        "rows": ROWS,
        "data": CELLS,
        "values": [[1.0, 0.5], [-2.0, 0.0], [3.0, 0.5]],
        "predictions": [2.0, -1.5, 4.0],
    }


def test_several_outputs_have_an_axis(client: TestClient, player: Player) -> None:
    document = client.get(f"/jobs/{job(client, player, 2)}/sample").json()
    assert document["values"] == VALUES
    assert document["predictions"] == [[2.0, -0.25], [-1.5, 3.5], [4.0, -2.0]]


def test_while_it_runs_it_is_a_part(client: TestClient, player: Player, submitted: str) -> None:
    """So are charts, those too that later need no sample."""
    path = f"/jobs/{submitted}"
    assert code(client, f"{path}/sample") == code(client, f"{path}/plots/bar") == (409, "not_ready")
    player.plan(submitted, rows=6, features=FEATURES, per_chunk=3)
    assert code(client, f"{path}/sample") == (409, "not_ready")
    player.commit(player.lease(submitted), bytes(48), None, sampled([0, 1], 1))
    document = client.get(f"{path}/sample").json()
    assert (document["partial"], document["rows"], document["total_rows"]) == (True, [0, 2], 6)
    for kind in ("bar", "beeswarm", "waterfall"):
        chart = client.get(f"{path}/plots/{kind}").json()
        assert chart["title"]["subtitle"][-1] == "Only a part: 3 of 6 rows are done."


def test_gone_with_the_result(client: TestClient, player: Player) -> None:
    job_id = job(client, player)
    client.delete(f"/jobs/{job_id}/result")
    assert code(client, f"/jobs/{job_id}/sample") == (410, "result_expired")
    assert code(client, f"/jobs/{job_id}/plots/beeswarm") == (410, "result_expired")
    assert client.get(f"/jobs/{job_id}/plots/bar").status_code == 200, "needs none"


def test_switched_off(client: TestClient, player: Player) -> None:
    job_id = job(client, player, samples=())
    for path in ("sample", "plots/waterfall"):
        assert code(client, f"/jobs/{job_id}/{path}") == (404, "no_sample")


def test_what_has_no_values(client: TestClient, player: Player, submitted: str) -> None:
    player.fail(submitted, JobError(code="no_rows", message="It is empty."))
    for path in ("sample", "plots/bar"):
        assert code(client, f"/jobs/{submitted}/{path}") == (409, "no_result")
    assert code(client, "/jobs/none/sample") == (404, "unknown_job")


@pytest.fixture
def finished(client: TestClient, player: Player) -> str:
    return f"/jobs/{job(client, player, 2)}/plots"


def test_what_is_asked_for_is_shown(client: TestClient, finished: str) -> None:
    chart = client.get(f"{finished}/waterfall?row=2&output=no&top=1").json()
    assert chart["title"]["text"] == "Row 2 for no"
    assert client.get(f"{finished}/waterfall?row=2&output=0&top=1").json() == chart
    assert client.get(f"{finished}/waterfall?row=2").json()["title"]["text"] == "Row 2 for yes"


@pytest.mark.parametrize(
    ("query", "expected", "available"),
    [
        ("pie", (404, "unknown_plot"), "waterfall"),
        ("waterfall?row=1", (404, "not_in_job"), "0, 2, 5"),
        ("beeswarm?output=maybe", (404, "not_in_job"), "no, yes"),
        ("bar?output=2", (404, "not_in_job"), "no, yes"),
        ("bar?top=0", (400, "invalid_parameter"), "from 1 to"),
        ("waterfall?row=one", (400, "invalid_parameter"), "whole number"),
    ],
)
def test_what_is_not_there(
    client: TestClient, finished: str, query: str, expected: tuple[int, str], available: str
) -> None:
    response = client.get(f"{finished}/{query}")
    assert (response.status_code, response.json()["code"]) == expected
    assert available in response.json()["detail"]


def test_the_media_type_is_the_one_that_was_asked_for(client: TestClient, finished: str) -> None:
    for wanted in ("application/json", "application/vnd.vegalite.v6+json"):
        assert client.get(f"{finished}/bar", headers={"accept": wanted}).headers["content-type"] == wanted
    assert code(client, f"{finished}/bar", accept="text/csv") == (406, "not_acceptable")


@pytest.mark.parametrize(("media_type", "held"), [("application/json", True), ("image/svg+xml", False)])
def test_one_sample_is_in_memory_and_nobody_waits_for_a_picture(
    client: TestClient, player: Player, monkeypatch: pytest.MonkeyPatch, media_type: str, held: bool
) -> None:
    """A chart may hold a sample, until it is written; to draw it takes long, and is another process's work."""
    seen: list[bool] = []

    async def respond(house: Resources, *_: Any) -> Response:
        seen.append(house.one_sample.locked())
        return Response(b"{}", media_type=media_type)

    monkeypatch.setattr(charts, "respond", respond)
    client.get(f"/jobs/{job(client, player)}/plots/bar", headers={"Accept": media_type})
    assert seen == [held]
