"""Values in every format and shape, by rows, and every reason why there are none."""

import csv
import io
import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from api.result_table import Incomplete, batches
from jobs import keys
from jobs.records import JobError
from tests.api.conftest import files
from tests.api.player import SUMMARY, Player

CSV, NPY = {"accept": "text/csv"}, {"accept": "application/x-npy"}
FEATURES = ["a", 'b,"c"', "ü"]
SHAPES = [((3,), 1, False), ((3, 2), 2, False), ((3, 3), 1, True), ((3, 3, 2), 2, True)]
Finished = tuple[str, np.ndarray]


@pytest.fixture(params=SHAPES, ids=["vector", "outputs", "interactions", "interactions-outputs"])
def finished(request: Any, client: TestClient, player: Player) -> Finished:
    """A job of 7 rows in chunks of 2, and its values."""
    row_shape, outputs, interactions = request.param
    options = {"options": '{"interactions": true}'} if interactions else {}
    job_id = client.post("/analyze", files=files(), data=options).json()["job_id"]
    values = np.random.default_rng(1).normal(size=(7, *row_shape))
    names = ["no", "yes, really"][:outputs]
    row_bytes = 8 * int(np.prod(row_shape))
    player.finish(job_id, values.tobytes(), rows=7, features=FEATURES, outputs=names, per_chunk=2, row_bytes=row_bytes)
    return job_id, values


def test_json(client: TestClient, finished: Finished) -> None:
    job_id, values = finished
    response = client.get(f"/jobs/{job_id}/result")
    document = response.json()
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-disposition"] == f'attachment; filename="shap-{job_id}.json"'
    assert np.array_equal(np.array(document.pop("values")), values)
    outputs = document.pop("outputs")
    assert outputs[0] == "no"
    assert document == {
        "job_id": job_id,
        "explainer": "tree",
        "engine": "shap.TreeExplainer (path-dependent)",
        "features": FEATURES,
        "base_values": [0.5] * len(outputs),
        "shape": list(values.shape),
        "rows": [0, 6],
    }


@pytest.mark.parametrize("accept", ["application/x-npy", "application/octet-stream"])
def test_npy(client: TestClient, finished: Finished, accept: str) -> None:
    job_id, values = finished
    response = client.get(f"/jobs/{job_id}/result", headers={"accept": accept})
    assert response.headers["content-type"] == accept
    assert int(response.headers["content-length"]) == len(response.content)
    assert np.array_equal(np.load(io.BytesIO(response.content)), values)


def test_csv(client: TestClient, finished: Finished) -> None:
    job_id, values = finished
    response = client.get(f"/jobs/{job_id}/result", headers=CSV)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    outputs = client.get(f"/jobs/{job_id}/result?rows=0-0").json()["outputs"]
    assert list(csv.reader(io.StringIO(response.text))) == [[str(c) for c in row] for row in as_table(values, outputs)]
    assert (
        len(pd.read_csv(io.BytesIO(response.content)).columns) == response.text.splitlines()[0].count(",") - 1 + 1 - 0
    )


def as_table(values: np.ndarray, outputs: list[str]) -> list[list[Any]]:
    """The CSV as a reader of the documentation would build it."""
    several = len(outputs) > 1
    matrix = values.ndim - several == 3
    table = [["row", *(["output"] if several else []), *(["feature"] if matrix else []), *FEATURES]]
    for row in range(len(values)):
        for feature in range(3) if matrix else [None]:
            for number, output in enumerate(outputs):
                where: Any = (row,) if feature is None else (row, feature)
                line = values[(*where, ..., number)] if several else values[where]
                names = [*([output] if several else []), *([FEATURES[feature]] if feature is not None else [])]
                table.append([row, *names, *line.tolist()])
    return table


@pytest.mark.parametrize(("rows", "first", "last"), [("0-0", 0, 0), ("1-4", 1, 4), ("3-3", 3, 3), ("5-99", 5, 6)])
def test_rows(client: TestClient, finished: Finished, rows: str, first: int, last: int) -> None:
    job_id, values = finished
    wanted = values[first : last + 1]
    document = client.get(f"/jobs/{job_id}/result?rows={rows}")
    assert document.json()["rows"] == [first, last]
    assert np.array_equal(np.array(document.json()["values"]), wanted)
    assert f"-{first}-{last}.json" in document.headers["content-disposition"]
    raw = client.get(f"/jobs/{job_id}/result?rows={rows}", headers=NPY).content
    assert np.array_equal(np.load(io.BytesIO(raw)), wanted)
    text = client.get(f"/jobs/{job_id}/result?rows={rows}", headers=CSV).text
    assert {line.split(",")[0] for line in text.splitlines()[1:]} == {str(row) for row in range(first, last + 1)}


@pytest.fixture
def small(client: TestClient, submitted: str, player: Player) -> str:
    """Two rows of two values, one of them not a number."""
    player.finish(submitted, struct.pack("<4d", 1.5, float("nan"), 3, 4), rows=2, features=["a", "b"])
    return submitted


@pytest.mark.parametrize("rows", ["", "1", "a-b", "-1-2", "1-0", "2-3", "0-0-0", "0-", "²-3", "9" * 13 + "-1"])
def test_bad_rows(client: TestClient, small: str, rows: str) -> None:
    response = client.get(f"/jobs/{small}/result", params={"rows": rows})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter")
    assert response.json()["data"]["field"] == "rows"


def test_rows_that_there_are_not_are_told_which_there_are(client: TestClient, small: str) -> None:
    assert "the job has 2 rows, 0 to 1" in client.get(f"/jobs/{small}/result?rows=2-3").json()["detail"]


def test_not_a_number(client: TestClient, small: str) -> None:
    assert client.get(f"/jobs/{small}/result").json()["values"] == [[1.5, None], [3.0, 4.0]]
    assert client.get(f"/jobs/{small}/result", headers=CSV).text == "row,a,b\n0,1.5,\n1,3.0,4.0\n"


def test_head_tells_without_values(client: TestClient, small: str) -> None:
    response = client.head(f"/jobs/{small}/result", headers=NPY)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(128 + 32)


def test_not_acceptable(client: TestClient, small: str) -> None:
    response = client.get(f"/jobs/{small}/result", headers={"accept": "text/html"})
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    assert "text/csv" in response.json()["detail"]


def test_summary(client: TestClient, small: str) -> None:
    assert client.get(f"/jobs/{small}/summary").json() == {"job_id": small, "status": "finished", **SUMMARY}


@pytest.mark.parametrize("what", ["result", "summary"])
class TestNone:
    def test_not_ready(self, client: TestClient, submitted: str, what: str) -> None:
        response = client.get(f"/jobs/{submitted}/{what}")
        assert (response.status_code, response.json()["code"]) == (409, "not_ready")
        assert response.headers["retry-after"] == "1"

    def test_failed(self, client: TestClient, submitted: str, player: Player, what: str) -> None:
        player.fail(submitted, JobError(code="memory_cap", message="Even one row is too large."))
        response = client.get(f"/jobs/{submitted}/{what}")
        assert (response.status_code, response.json()["code"]) == (409, "no_result")
        assert "memory_cap: Even one row is too large." in response.json()["detail"]

    def test_cancelled(self, client: TestClient, submitted: str, what: str) -> None:
        client.delete(f"/jobs/{submitted}")
        response = client.get(f"/jobs/{submitted}/{what}")
        assert (response.status_code, response.json()["code"]) == (409, "no_result")
        assert "cancelled" in response.json()["detail"]


def test_expired(client: TestClient, small: str, keyspace: Any) -> None:
    keyspace.delete(keys.values(small), keys.results(small))
    response = client.get(f"/jobs/{small}/result")
    assert (response.status_code, response.json()["code"]) == (410, "result_expired")
    assert client.get(f"/jobs/{small}/summary").status_code == 200


def test_what_has_gone_of_a_small_result_is_told(client: TestClient, small: str, keyspace: Any) -> None:
    """It is sent whole, with its length, so that half of it need not be."""
    assert client.get(f"/jobs/{small}/result").headers["content-length"]
    keyspace.delete(keys.values(small))
    response = client.get(f"/jobs/{small}/result")
    assert (response.status_code, response.json()["code"]) == (410, "result_expired")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("piece_bytes", [1, 7, 8, 4096, 10**6])
@pytest.mark.parametrize("line_bytes", [8, 24, 40_000])
async def test_batches_are_whole_lines(piece_bytes: int, line_bytes: int) -> None:
    content = np.arange(15_000, dtype="<f8").tobytes()

    async def pieces() -> Any:
        for at in range(0, len(content), piece_bytes):
            yield content[at : at + piece_bytes]

    found = [batch async for batch in batches(pieces(), line_bytes, len(content))]
    assert b"".join(found) == content
    assert all(len(batch) % line_bytes == 0 for batch in found)


@pytest.mark.anyio
async def test_values_that_end_early_are_told_apart_from_the_whole() -> None:
    async def pieces() -> Any:
        for piece in (b"12345678", b"", b"1234"):
            yield piece

    with pytest.raises(Incomplete, match=r"^12 bytes instead of 16$"):
        [batch async for batch in batches(pieces(), 8, 16)]
