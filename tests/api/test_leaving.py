"""The web process on SIGTERM: downloads under way are finished, and nothing new is taken."""

import http.client
from typing import Any

import pytest

from tests.api.conftest import CSV, Web
from tests.api.player import Player
from tests.api.test_process import BOUNDARY, await_that, job_id_of, post, submission, zeros

ROWS, FEATURES = 120_000, 64


def test_downloads_are_finished_and_uploads_refused(web: Web, player: Player) -> None:
    job_id = job_id_of(post(web, b"".join(submission(iter([CSV])))))
    features = [f"f{number}" for number in range(FEATURES)]
    player.finish(job_id, zeros(ROWS * FEATURES * 8), rows=ROWS, features=features)
    idle = web.connect()  # a client that keeps its connection
    idle.request("GET", "/livez")
    idle.getresponse().read()
    response = web.get(f"/jobs/{job_id}/result", Accept="application/x-npy")
    size = len(response.read(1000))
    web.process.terminate()
    await_that(lambda: _refuses(web))
    with pytest.raises((http.client.HTTPException, OSError)):
        _upload(idle)
    while piece := response.read(1 << 20):
        size += len(piece)
    assert size > ROWS * FEATURES * 8
    assert web.process.wait(timeout=30) == 0


def _upload(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/analyze", body=b"".join(submission(iter([CSV]))), headers=BOUNDARY)
    connection.getresponse()


def _refuses(web: Web) -> bool:
    connection: Any = web.connect()
    try:
        connection.connect()
    except OSError:
        return True
    connection.close()
    return False
