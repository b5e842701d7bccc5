"""Jobs as callers see them: status, list, cancel, and the polled status of older clients."""

import struct
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.representation import timestamp, without_traceback
from jobs import keys
from jobs.outcomes import Evidence
from jobs.records import JobError
from tests.api.conftest import files
from tests.api.player import CAP, SUMMARY, Player

VALUES = struct.pack("<4d", 1, 2, 3, 4)
TRACEBACK = """libgomp: warning
Traceback (most recent call last):
  File "/srv/jobs/work/x.py", line 3, in f
    g()
    ~^^
  File "/srv/jobs/work/y.py", line 4, in g
    raise ValueError("no")
ValueError: no
terminate called after throwing an instance of 'std::bad_alloc'"""


def test_a_waiting_job(client: TestClient, submitted: str) -> None:
    document = client.get(f"/jobs/{submitted}").json()
    created = document.pop("created_at")
    assert created.endswith("Z")
    assert len(created) == len("2026-01-01T00:00:00.000Z")
    nulls = ["started_at", "ended_at", "seconds", "rows", "chunks", "features", "outputs", "cap_bytes", "explainer"]
    nulls += ["engine", "reason", "explains", "model", "error"]
    zeros = ["rows_done", "chunks_done", "attempts", "crashes", "peak_child_bytes"]
    assert document == {
        "job_id": submitted,
        "status": "queued",
        **dict.fromkeys(nulls),
        **dict.fromkeys(zeros, 0),
        "options": {},
        "warnings": [],
        "attempt_log": [],
        "links": {
            "self": f"/jobs/{submitted}",
            "result": f"/jobs/{submitted}/result",
            "summary": f"/jobs/{submitted}/summary",
        },
    }


def test_a_job_under_way(client: TestClient, submitted: str, player: Player) -> None:
    player.lease(submitted)
    document = client.get(f"/jobs/{submitted}").json()
    assert document["status"] == "started"
    assert document["started_at"]
    assert 0 <= document["seconds"] < 60


def test_a_finished_job(client: TestClient, submitted: str, player: Player) -> None:
    player.finish(submitted, VALUES, rows=2, features=["a", "b"], per_chunk=1, row_bytes=16)
    document = client.get(f"/jobs/{submitted}").json()
    expected = {
        "status": "finished",
        "rows": 2,
        "rows_done": 2,
        "chunks": 2,
        "chunks_done": 2,
        "features": 2,
        "outputs": 1,
        "attempts": 4,
        "peak_child_bytes": 1000,
        "cap_bytes": CAP,
        "explainer": "tree",
        "engine": "shap.TreeExplainer (path-dependent)",
        "reason": "It is a forest.",
        "explains": "prediction",
        "model": {"family": "scikit-learn", "name": "RandomForestRegressor"},
    }
    assert {name: document[name] for name in expected} == expected
    assert document["ended_at"] >= document["started_at"]
    assert [entry["chunk"] for entry in document["attempt_log"]] == ["open", "0-0", "1-1", "close"]
    assert document["attempt_log"][0] == {
        "chunk": "open",
        "attempt": 1,
        "outcome": "succeeded",
        "supervisor": "played",
        "code": None,
        "message": None,
        "detail": {},
        "seconds": 0.25,
        "ended_at": "2017-07-14T02:40:00.000Z",
        "evidence": {"exit_code": 0, "seconds": 0.25, "peak_bytes": 1000},
    }


def test_a_failed_job_says_why_without_a_traceback(client: TestClient, submitted: str, player: Player) -> None:
    error = JobError(code="no_rows", message="data has no rows.", detail={"field": "data"})
    player.fail(submitted, error, code="no_rows", evidence=Evidence(stderr=TRACEBACK))
    document = client.get(f"/jobs/{submitted}").json()
    assert document["status"] == "failed"
    assert document["error"] == {"code": "no_rows", "message": "data has no rows.", "detail": {"field": "data"}}
    stderr = document["attempt_log"][0]["evidence"]["stderr"]
    assert stderr.splitlines() == [
        "libgomp: warning",
        "ValueError: no",
        "terminate called after throwing an instance of 'std::bad_alloc'",
    ]


@pytest.mark.parametrize(
    "stderr",
    [
        '    raise X\n  File "a.py", line 3, in f\n    g()\nX: y',
        'Current thread 0x1 (most recent call first):\n  File "a.py", line 3 in f\n',
        '  + Exception Group Traceback (most recent call last):\n  |   File "a.py", line 1, in f\n  |     g()\nX: y',
    ],
)
def test_torn_tracebacks(stderr: str) -> None:
    kept = without_traceback(Evidence(stderr=stderr)).stderr
    assert kept is not None
    assert "File" not in kept
    assert "g()" not in kept


def test_evidence_without_stderr_stays() -> None:
    assert without_traceback(Evidence(exit_code=1)) == Evidence(exit_code=1)
    assert timestamp(None) is None


@pytest.mark.parametrize("route", ["/jobs/{}", "/jobs/{}/result", "/jobs/{}/summary"])
@pytest.mark.parametrize("job_id", ["f" * 24, "a:values", "x" * 65, "%20", "a%0Ab"])
def test_unknown_jobs(client: TestClient, route: str, job_id: str) -> None:
    response = client.get(route.format(job_id))
    assert (response.status_code, response.json()["code"]) == (404, "unknown_job")


def test_other_keys_of_a_job_are_no_jobs(client: TestClient, submitted: str, player: Player) -> None:
    player.finish(submitted, VALUES, rows=2, features=["a", "b"])
    for key in ("values", "results"):
        assert client.get(f"/jobs/{submitted}:{key}").status_code == 404


class TestCancel:
    def test_a_waiting_job(self, client: TestClient, submitted: str, keyspace: Any) -> None:
        response = client.delete(f"/jobs/{submitted}")
        assert (response.status_code, response.json()) == (200, {"job_id": submitted, "status": "cancelled"})
        assert client.get(f"/jobs/{submitted}").json()["status"] == "cancelled"
        assert list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*")) == []

    def test_a_finished_job_stays_finished(self, client: TestClient, submitted: str, player: Player) -> None:
        player.finish(submitted, VALUES, rows=2, features=["a", "b"])
        assert client.delete(f"/jobs/{submitted}").json()["status"] == "finished"

    def test_an_unknown_job(self, client: TestClient) -> None:
        assert client.delete("/jobs/nope").json()["code"] == "unknown_job"


class TestList:
    def test_newest_first(self, client: TestClient) -> None:
        ids = [client.post("/analyze", files=files()).json()["job_id"] for _ in range(3)]
        page = client.get("/jobs?limit=2&offset=1").json()
        assert [job["job_id"] for job in page["jobs"]] == [ids[1], ids[0]]
        assert (page["offset"], page["limit"]) == (1, 2)
        assert "attempt_log" not in page["jobs"][0]

    def test_as_many_as_may_be_asked_for(self, client: TestClient) -> None:
        assert client.get("/jobs?limit=200&offset=1000000000").json() == {"jobs": [], "offset": 10**9, "limit": 200}

    def test_none(self, client: TestClient) -> None:
        assert client.get("/jobs").json() == {"jobs": [], "offset": 0, "limit": 50}

    def test_damaged_records_are_named_and_hide_no_others(self, client: TestClient, keyspace: Any) -> None:
        ids = [client.post("/analyze", files=files()).json()["job_id"] for _ in range(3)]
        keyspace.hset(keys.job(ids[1]), "options", "{")
        page = client.get("/jobs").json()
        assert ([job["job_id"] for job in page["jobs"]], page["unreadable"]) == ([ids[2], ids[0]], [ids[1]])
        for route in ("/jobs/{}", "/jobs/{}/result", "/jobs/{}/summary", "/jobs/{}/events", "/job_status/{}"):
            response = client.get(route.format(ids[1]))
            assert (response.status_code, response.json()["code"]) == (409, "unreadable_record"), route
        assert client.delete(f"/jobs/{ids[1]}").json()["status"] == "cancelled"

    @pytest.mark.parametrize(
        "query",
        ["limit=0", "limit=201", "limit=x", "limit=", "offset=-1", "offset=1000000001", "offset=1e3", "limit=²"],
    )
    def test_bad_queries(self, client: TestClient, query: str) -> None:
        response = client.get(f"/jobs?{query}")
        assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter")
        assert response.json()["data"]["field"] == query.split("=", maxsplit=1)[0]


class TestPolledStatus:
    def poll(self, client: TestClient, job_id: str) -> Any:
        return client.get(f"/job_status/{job_id}").json()

    def test_waiting(self, client: TestClient, submitted: str) -> None:
        found = self.poll(client, submitted)
        assert found == {"success": True, "job_id": submitted, "status": "queued", "result": None, "error": None}

    def test_finished_with_its_few_values(self, client: TestClient, submitted: str, player: Player) -> None:
        player.finish(submitted, VALUES, rows=2, features=["a", "b"])
        assert self.poll(client, submitted)["result"] == {
            **SUMMARY,
            "links": {"values": f"/jobs/{submitted}/result"},
            "features": ["a", "b"],
            "outputs": ["y"],
            "base_values": [0.5],
            "shape": [2, 2],
            "values": [[1.0, 2.0], [3.0, 4.0]],
        }

    def test_many_values_are_linked_only(self, client: TestClient, submitted: str, player: Player) -> None:
        player.finish(submitted, bytes(8 * 10_002), rows=5001, features=["a", "b"])
        result = self.poll(client, submitted)["result"]
        assert result == {**SUMMARY, "links": {"values": f"/jobs/{submitted}/result"}}

    def test_expired_values(self, client: TestClient, submitted: str, player: Player, keyspace: Any) -> None:
        player.finish(submitted, VALUES, rows=2, features=["a", "b"])
        keyspace.delete(keys.values(submitted))
        assert self.poll(client, submitted)["result"] == {**SUMMARY, "links": {}}

    def test_failed(self, client: TestClient, submitted: str, player: Player) -> None:
        player.fail(submitted, JobError(code="no_rows", message="data has no rows."))
        found = self.poll(client, submitted)
        assert (found["success"], found["status"], found["result"]) == (True, "failed", None)
        assert found["error"] == "no_rows: data has no rows."

    def test_unknown(self, client: TestClient) -> None:
        response = client.get("/job_status/nope")
        assert response.status_code == 404
        assert response.json()["success"] is False
        assert "no job nope" in response.json()["error"]
        assert response.json()["code"] == "unknown_job"


def test_what_stands_before_a_traceback_is_kept_as_it_is() -> None:
    said = '  a warning\n\nanother\nTraceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nX: y'
    assert without_traceback(Evidence(stderr=said)).stderr == "  a warning\n\nanother\nX: y"
