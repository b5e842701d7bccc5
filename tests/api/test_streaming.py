"""`GET /jobs/{id}/result?stream=true` of jobs that still run: what comes, when it comes, and how it ends."""

import http.client
import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from api import streaming
from jobs.outcomes import Outcome
from jobs.queue import Decision, Lease
from jobs.records import JobError
from tests.api.conftest import CSV, MODEL, Web, files
from tests.api.player import Player, attempt
from tests.api.test_process import BOUNDARY, await_that, job_id_of, part

FEATURES = ["a", "b"]
VALUES = np.arange(12, dtype="<f8").reshape(6, 2)


@pytest.fixture
def job_id(web: Web) -> str:
    """Of a job that waits in the queue."""
    body = part("model", MODEL) + b"\r\n" + part("data", CSV) + b"\r\n--b--\r\n"
    connection = web.connect()
    connection.request("POST", "/analyze", body=body, headers=BOUNDARY)
    return job_id_of(connection.getresponse())


def opened(player: Player, job_id: str) -> list[Lease]:
    """The leases of its three chunks."""
    player.plan(job_id, rows=6, features=FEATURES, per_chunk=2)
    return [player.lease(job_id) for _ in range(3)]


def commit(player: Player, held: Lease) -> None:
    player.commit(held, VALUES[held.chunk.first : held.chunk.last + 1].tobytes())


def follow(web: Web, job_id: str, accept: str = "text/csv", query: str = "") -> http.client.HTTPResponse:
    return web.get(f"/jobs/{job_id}/result?stream=true{query}", Accept=accept)


def line(response: http.client.HTTPResponse) -> str:
    return response.readline().decode().strip()


def test_rows_come_in_order_as_soon_as_they_are_there(web: Web, player: Player, job_id: str) -> None:
    first, second, third = opened(player, job_id)
    response = follow(web, job_id)
    assert line(response) == "row,a,b"
    commit(player, second)
    commit(player, first)
    assert [line(response) for _ in range(4)] == ["0,0.0,1.0", "1,2.0,3.0", "2,4.0,5.0", "3,6.0,7.0"]
    commit(player, third)
    assert [line(response) for _ in range(2)] == ["4,8.0,9.0", "5,10.0,11.0"]
    player.close(job_id)
    assert response.read() == b""


@pytest.mark.parametrize("accept", ["application/json", "application/x-npy"])
def test_the_document_is_that_of_a_finished_job(web: Web, player: Player, job_id: str, accept: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        followed = pool.submit(lambda: follow(web, job_id, accept).read())
        for held in opened(player, job_id):
            commit(player, held)
        player.close(job_id)
        assert followed.result() == web.get(f"/jobs/{job_id}/result", Accept=accept).read()
        assert followed.result() == follow(web, job_id, accept).read(), "of a finished job it changes nothing"


def test_a_part_of_the_rows_does_not_wait_for_the_others(web: Web, player: Player, job_id: str) -> None:
    _, second, third = opened(player, job_id)
    commit(player, second)
    commit(player, third)
    raw = follow(web, job_id, "application/x-npy", "&rows=3-4").read()
    assert np.array_equal(np.load(io.BytesIO(raw)), VALUES[3:5])


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-npy"])
@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_job_that_ends_midway_ends_the_connection(
    web: Web, player: Player, job_id: str, accept: str, end: str
) -> None:
    first, *_ = opened(player, job_id)
    response = follow(web, job_id, accept)
    commit(player, first)
    if end == "cancel":
        connection = web.connect()
        connection.request("DELETE", f"/jobs/{job_id}")
        assert connection.getresponse().status == 200
    else:
        fail_while_leased(player, job_id)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()


def fail_while_leased(player: Player, job_id: str) -> None:
    """The job fails by its third chunk, which somebody hands back first."""

    async def play(queue: Any) -> None:
        held = next(lease for lease in await queue.own() if lease.chunk.id == "4-5")
        follows = Decision(action="fail", counts="attempts", error=JobError(code="crashed", message="m"))
        assert await queue.settle(held, attempt("4-5", Outcome.CRASHED), follows)

    player.act(play)


def test_a_job_that_fails_before_its_first_row(web: Web, player: Player, job_id: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        followed = pool.submit(lambda: follow(web, job_id))
        player.fail(job_id, JobError(code="no_rows", message="data has no rows."))
        response = followed.result()
    assert (response.status, b"no_rows: data has no rows." in response.read()) == (409, True)


def test_the_end_is_not_waited_for_with_a_clock(client: TestClient, player: Player, monkeypatch: Any) -> None:
    monkeypatch.setattr(streaming, "POLL_S", 20.0)
    job_id = client.post("/analyze", files=files()).json()["job_id"]
    with ThreadPoolExecutor(1) as pool:
        followed = pool.submit(lambda: client.get(f"/jobs/{job_id}/result?stream=true"))
        time.sleep(0.5)  # long enough to be waiting; if it is not yet, the test is only weaker
        player.fail(job_id, JobError(code="no_rows", message="data has no rows."))
        began = time.monotonic()
        assert followed.result().status_code == 409
    assert time.monotonic() - began < 5


def test_one_who_has_left_is_not_waited_for(web: Web, player: Player, job_id: str) -> None:
    connection = web.connect()
    connection.request("GET", f"/jobs/{job_id}/result?stream=true")
    connection.close()
    await_that(lambda: [line for line in web.lines() if line.get("path", "").endswith("/result")])


class TestWithoutIt:
    def test_not_ready(self, client: TestClient) -> None:
        job_id = client.post("/analyze", files=files()).json()["job_id"]
        for query in ("", "?stream=false", "?stream=0"):
            response = client.get(f"/jobs/{job_id}/result{query}")
            assert (response.status_code, response.json()["code"]) == (409, "not_ready")
            assert "stream=true" in response.json()["detail"]
        assert client.head(f"/jobs/{job_id}/result?stream=true").status_code == 409

    def test_neither_true_nor_false(self, client: TestClient) -> None:
        job_id = client.post("/analyze", files=files()).json()["job_id"]
        response = client.get(f"/jobs/{job_id}/result?stream=maybe")
        assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter")
