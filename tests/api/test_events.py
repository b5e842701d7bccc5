"""Progress as server-sent events: every change, the end, and what happens after it."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest

from jobs.records import JobError
from tests.api.conftest import Web, files
from tests.api.player import Player

VALUES = np.arange(8.0).reshape(4, 2)


def read_events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and document of each event."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line and fields:
            yield fields["event"], json.loads(fields["data"])
            fields = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


@pytest.fixture
def service(web: Web) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"http://127.0.0.1:{web.port}", timeout=20, trust_env=False) as client:
        yield client


def test_progress_until_the_end(service: httpx2.Client, player: Player) -> None:
    job_id = service.post("/analyze", files=files()).json()["job_id"]
    play = threading.Thread(
        target=lambda: player.finish(
            job_id, VALUES.tobytes(), rows=4, features=["a", "b"], per_chunk=2, row_bytes=VALUES.strides[0]
        )
    )
    seen: list[tuple[str, str, int]] = []
    with service.stream("GET", f"/jobs/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for name, job in read_events(answer.iter_lines()):
            if not seen:
                play.start()
            seen.append((name, job["status"], job["rows_done"]))
    play.join()
    assert seen[0] == ("progress", "queued", 0)
    assert seen[-1] == ("end", "finished", 4)
    assert [name for name, _, _ in seen[:-1]] == ["progress"] * (len(seen) - 1)
    assert [rows for _, _, rows in seen] == sorted(rows for _, _, rows in seen)


def test_a_job_that_has_ended_is_told_once(service: httpx2.Client, player: Player) -> None:
    job_id = service.post("/analyze", files=files()).json()["job_id"]
    player.fail(job_id, JobError(code="bad", message="Bad."))
    answer = service.get(f"/jobs/{job_id}/events")
    ((name, job),) = read_events(iter([*answer.text.splitlines(), ""]))
    assert (name, job["status"], job["error"]["code"]) == ("end", "failed", "bad")
    assert service.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": "end"}).status_code == 204
    assert service.get("/jobs/unknown/events").status_code == 404


def test_a_web_process_that_stops_lets_its_listeners_go(web: Web, service: httpx2.Client) -> None:
    job_id = service.post("/analyze", files=files()).json()["job_id"]
    with service.stream("GET", f"/jobs/{job_id}/events") as answer:
        events = read_events(answer.iter_lines())
        assert next(events)[1]["status"] == "queued"
        web.process.terminate()
        assert list(events) == []
    assert web.process.wait(timeout=10) == 0
