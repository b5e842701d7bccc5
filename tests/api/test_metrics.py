"""/metrics as Prometheus reads it."""

import json
import re
from pathlib import Path

import promql_parser
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from jobs.outcomes import Evidence, Outcome
from jobs.records import JobError
from tests.api.conftest import MakeClient
from tests.api.player import Player

DEPLOY = Path(__file__).parents[2] / "deploy"


def samples(text: str) -> dict[tuple[str, ...], float]:
    """By name, without our prefix, and the values of its labels, which come by their names."""
    return {
        (sample.name.removeprefix("shap_supervisor_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics(client: TestClient, player: Player, submitted: str) -> None:
    player.heartbeat(rss_bytes=5, children=[{"pid": 8, "rss_bytes": 7}])
    player.lease(submitted)
    other = client.post("/analyze", files={"data": b"a\n1\n", "model": b'{"learner": {}}'}).json()["job_id"]
    player.fail(other, JobError(code="bad", message="Bad."))
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.text)
    assert found["jobs_ready",] == 0
    assert found["chunks_leased",] == 1
    assert found["leases_overdue",] == 0
    assert found["attempts_total", "refused"] == 1
    assert found["queue_wait_seconds_count",] == 2
    assert found["supervisors",] == 1
    assert found["web_resident_bytes",] > 1e6
    assert found["redis_used_bytes",] > 1e5


def test_attempts_are_counted_by_how_long_they_took_and_by_their_peak(
    client: TestClient, player: Player, submitted: str
) -> None:
    player.fail(
        submitted, JobError(code="bad", message="Bad."), evidence=Evidence(seconds=0.3, peak_bytes=80, cap_bytes=100)
    )
    found = samples(client.get("/metrics").text)
    assert [found["chunk_seconds_bucket", le] for le in ("0.25", "0.5", "+Inf")] == [0, 1, 1]
    assert found["chunk_seconds_sum",] == 0.3
    assert [found["peak_cap_ratio_bucket", le] for le in ("0.7", "0.8", "1.0", "+Inf")] == [0, 1, 1, 1]


def test_openmetrics_for_who_asks(client: TestClient, submitted: str) -> None:
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = openmetrics(answer.text)  # type: ignore[no-untyped-call]
    assert {family.name for family in families} >= {"shap_supervisor_attempts"}


def test_labels_are_escaped(client: TestClient, player: Player) -> None:
    player.heartbeat(name='o"d\\d\n', rss_bytes=5, children=[{"pid": 8, "rss_bytes": 7}])
    found = samples(client.get("/metrics").text)
    assert found["supervisor_resident_bytes", 'o"d\\d\n'] == 5
    assert found["child_resident_bytes", "8", 'o"d\\d\n'] == 7


def test_metrics_need_the_admin_token(make_client: MakeClient) -> None:
    client = make_client(api_token="open", admin_token="all")
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer open"}).status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer all"}).status_code == 200


def test_dashboard_and_alerts_ask_for_what_there_is(client: TestClient) -> None:
    alerts = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())
    dashboard = json.loads((DEPLOY / "grafana/shap-supervisor.json").read_text())
    queries = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    queries += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    known = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    known |= {sample.name for family in families for sample in family.samples}
    assert len(queries) > 20
    for query in queries:
        promql_parser.parse(query)
        assert set(re.findall(r"shap_supervisor_\w+", query)) <= known, query
        assert set(re.findall(r'outcome="([^"]+)"', query)) <= set(Outcome), query
