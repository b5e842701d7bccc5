"""HEAD answers what GET would, for every route: the same status and headers, and no body."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import OPERATIONS
from tests.api.conftest import CSV, Web, files
from tests.api.player import Player
from tests.api.test_process import job_id_of, post, submission

PATHS = sorted(operation.path for operation in OPERATIONS if operation.method == "GET")
CHANGING = {"/health", "/metrics", "/admin/memory", "/admin/queue", "/jobs", "/jobs/{job_id}"}
"""Their documents hold clocks and counters, whose digits may be more by one."""


@pytest.fixture
def ended(web: Web, player: Player) -> str:
    job_id = job_id_of(post(web, b"".join(submission(iter([CSV])))))
    player.heartbeat()
    player.finish(job_id, bytes(32), rows=2, features=["a", "b"])
    return job_id


@pytest.fixture
def running(web: Web, player: Player) -> str:
    """Its rows are known, its first chunk is done."""
    job_id = job_id_of(post(web, b"".join(submission(iter([CSV])))))
    player.plan(job_id, rows=4, features=["a", "b"], per_chunk=2)
    player.commit(player.lease(job_id), bytes(32))
    return job_id


def asked(web: Web, method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    connection = web.connect()
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    found = {name.lower(): value for name, value in response.getheaders() if name != "date"}
    if method == "HEAD":
        assert response.read() == b""
        connection.request("GET", "/livez")
        assert connection.getresponse().status == 200, "and nothing of a body is on the line"
    connection.close()
    return response.status, found


def test_head_of_every_route(web: Web, ended: str) -> None:
    for path in PATHS:
        url = path.replace("{job_id}", ended)
        (status, got), head = asked(web, "GET", url), asked(web, "HEAD", url)
        got.pop("transfer-encoding", None)
        if path in CHANGING:
            assert abs(int(got.pop("content-length")) - int(head[1].pop("content-length"))) < 20, path
        assert head == (status, got), path


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-npy"])
def test_head_of_a_result(web: Web, ended: str, running: str, accept: str) -> None:
    """Small ones have a length, whatever their format; those that are streamed have what GET has, and end at once."""
    path = f"/jobs/{ended}/result"
    assert asked(web, "HEAD", path, Accept=accept) == asked(web, "GET", path, Accept=accept)
    streamed = f"/jobs/{running}/result?stream=true"
    status, headers = asked(web, "HEAD", streamed, Accept=accept)
    assert (status, headers["content-type"].split(";")[0]) == (200, accept)
    assert ("content-length" in headers) == (accept == "application/x-npy")
    got = asked(web, "GET", f"/jobs/{running}/events")
    assert asked(web, "HEAD", f"/jobs/{running}/events")[1].keys() == got[1].keys() - {"transfer-encoding"}


def test_head_of_what_is_not_there(client: TestClient) -> None:
    job_id: Any = client.post("/analyze", files=files()).json()["job_id"]
    for path in ("/jobs/none", f"/jobs/{job_id}/result", "/models/none"):
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-length"] == str(len(got.content))
