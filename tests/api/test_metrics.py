"""/metrics as Prometheus reads it, and /openapi.json against the routes that there are."""

import re

from starlette.testclient import TestClient

from jobs.records import JobError
from tests.api.conftest import MakeClient
from tests.api.player import Player

SAMPLE = re.compile(r'^shap_supervisor_(\w+)(\{(\w+="(?:[^"\\]|\\.)*",?)+\})? (\S+)$')


def samples(text: str) -> dict[str, float]:
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            match = SAMPLE.match(line)
            assert match, line
            found[match[1] + (match[2] or "")] = float(match[4])
    return found


def test_metrics(client: TestClient, player: Player, submitted: str) -> None:
    player.heartbeat(rss_bytes=5, children=[{"pid": 8, "rss_bytes": 7}])
    player.lease(submitted)
    other = client.post("/analyze", files={"data": b"a\n1\n", "model": b'{"learner": {}}'}).json()["job_id"]
    player.fail(other, JobError(code="bad", message="Bad."))
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.text)
    assert found["jobs_ready"] == 0
    assert found["chunks_leased"] == 1
    assert found["leases_overdue"] == 0
    assert found['attempts_total{outcome="refused"}'] == 1
    assert found["supervisors"] == 1
    assert found["web_resident_bytes"] > 1e6
    assert found["redis_used_bytes"] > 1e5


def test_labels_are_escaped(client: TestClient, player: Player) -> None:
    player.heartbeat(name='o"d\\d\n', rss_bytes=5, children=[{"pid": 8, "rss_bytes": 7}])
    found = samples(client.get("/metrics").text)
    assert found[r'supervisor_resident_bytes{supervisor="o\"d\\d\n"}'] == 5
    assert found[r'child_resident_bytes{supervisor="o\"d\\d\n",pid="8"}'] == 7


def test_metrics_need_the_admin_token(make_client: MakeClient) -> None:
    client = make_client(api_token="open", admin_token="all")
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer open"}).status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer all"}).status_code == 200
