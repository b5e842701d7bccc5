"""The document: valid, whole, and what the routes really answer."""

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import msgspec
import openapi_spec_validator
import pytest
from jsonschema import ValidationError
from starlette.routing import Route
from starlette.testclient import TestClient

from api.app import OPERATIONS, create_app
from api.summaries import Forecast
from child.opening import Opened, forecast
from jobs import planner
from jobs.blobs import IDS
from jobs.options import Options
from jobs.records import JobError, Layout
from jobs.sample import SampledRows
from jobs.settings import Settings
from tests.api.conftest import MODEL, MakeClient, files
from tests.api.contract import CheckedClient, check, document
from tests.api.player import SUMMARY, Player, model_info

VALUES = bytes(32)
FORECAST = {
    "dry_run": True,
    "rows": 2,
    "features": 2,
    "outputs": 1,
    "explainer": "tree",
    "engine": "exact trees",
    "reason": "It is a forest.",
    "rows_per_chunk": 500,
    "chunks": 1,
    "bytes_per_chunk": 1000,
    "room_bytes": 2000,
    "rows_per_s": 100.0,
    "seconds": 0.5,
}


def test_it_is_openapi() -> None:
    openapi_spec_validator.validate(document())
    json.dumps(document())


def test_it_names_every_route() -> None:
    routes = {
        (route.path, method.lower())
        for route in create_app(Settings()).routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert {(path, method) for path, methods in document()["paths"].items() for method in methods} == routes


def test_clients_can_be_generated_from_it() -> None:
    """Each operation has an id of its own and a summary; each array says what is in it."""
    ids = [operation.id for operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    assert all(operation.id.isidentifier() and operation.summary for operation in OPERATIONS)
    assert [schema for schema in _schemas(document()) if schema.get("type") == "array" and "items" not in schema] == []


def _schemas(found: Any) -> Any:
    if isinstance(found, dict):
        yield found
        for value in found.values():
            yield from _schemas(value)
    elif isinstance(found, list):
        for value in found:
            yield from _schemas(value)


def test_a_job_that_was_waited_for_and_failed_is_written_down() -> None:
    answers = document()["paths"]["/analyze"]["post"]["responses"]["default"]["content"]
    assert "FailedJob" in json.dumps(answers["application/problem+json"]["schema"])
    assert {"status", "code", "job_id"} <= set(document()["components"]["schemas"]["FailedJob"]["required"])


def test_who_may_call_is_written_down() -> None:
    paths = document()["paths"]
    assert paths["/livez"]["get"]["security"] == []
    assert paths["/jobs"]["get"]["security"] == [{"api": []}]
    assert paths["/admin/queue"]["get"]["security"] == [{"admin": []}]
    assert {name: scheme["description"] for name, scheme in document()["components"]["securitySchemes"].items()} == {
        "api": "API_TOKEN, one of API_TOKENS, or ADMIN_TOKEN, where the operator set one",
        "admin": "ADMIN_TOKEN, where the operator set one",
    }


def test_parameters_and_bodies() -> None:
    paths = document()["paths"]
    assert {found["name"]: found["in"] for found in paths["/jobs/{job_id}/result"]["get"]["parameters"]} == {
        "job_id": "path",
        "rows": "query",
        "stream": "query",
    }
    limit = paths["/jobs"]["get"]["parameters"][0]["schema"]
    assert limit == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert set(paths["/analyze"]["post"]["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
    assert {"explainer", "dry_run", "seed"} <= set(document()["components"]["schemas"]["Options"]["properties"])


def test_every_route_answers_what_it_says(
    client: CheckedClient, make_client: MakeClient, player: Player, keyspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every status of every operation is seen once; the client checks each answer."""
    monkeypatch.setattr("api.drawing.find_spec", lambda _: None)
    everything(client, player)
    lost = make_client(redis_url="redis://127.0.0.1:1")
    assert lost.get("/health").status_code == 503
    documented = {
        (operation["operationId"], status)
        for methods in document()["paths"].values()
        for operation in methods.values()
        for status in operation["responses"]
        if status != "default"
    }
    assert client.seen | lost.seen >= documented


def everything(client: TestClient, player: Player) -> None:
    for path in ("/", "/docs", "/livez", "/readyz", "/openapi.json", "/session"):
        client.get(path)
    for path in ("/v2", "/v2/health/live", "/v2/health/ready"):
        client.get(path)
    etag = client.get("/page/main.js").headers["etag"]
    assert client.get("/page/main.js", headers={"If-None-Match": etag}).status_code == 304
    assert client.post("/session", json={"token": "none is needed"}).is_success
    assert client.delete("/session").status_code == 204
    player.heartbeat(rss_bytes=5, limit_bytes=9, budget_bytes=7, children=[])
    player.remember(in_use_bytes=3)
    waiting(client, player)
    ended(client, player)
    with_ids(client, player)
    for name in ("m", "m", "n"):
        client.put(f"/models/{name}", content=MODEL)
    for path in (
        "/models",
        "/models/m",
        "/readyz",
        "/health",
        "/admin/memory",
        "/admin/queue",
        "/admin/plots/memory",
        "/metrics",
        "/v2/health/ready",
        "/v2/models/m",
        "/v2/models/m/ready",
    ):
        assert client.get(path).status_code == 200
    inferred(client, player)
    assert client.head("/admin/events").status_code == 200, "which would go on for ever"
    assert client.delete("/models/m").status_code == 204


def inferred(client: TestClient, player: Player) -> None:
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [[1, 2], [3, 4]]}
    for path, body in (
        ("/v2/models/m/infer", {"inputs": [tensor], "id": "1"}),
        ("/v1/models/m:explain", {"instances": [[1, 2], [3, 4]]}),
    ):
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.post, path, json=body)
            player.finish(player.next_job(), VALUES, rows=2, features=["a", "b"])
            assert answer.result().status_code == 200, answer.result().text


def waiting(client: TestClient, player: Player) -> None:
    job_id = client.post("/analyze", files=files()).json()["job_id"]
    player.plan(job_id, rows=4, features=["a", "b"], per_chunk=2)
    player.lease(job_id)
    for path in (
        "/jobs",
        f"/jobs/{job_id}",
        f"/job_status/{job_id}",
        "/job_status/nope",
        f"/jobs/{job_id}/chunks",
        "/admin/queue",
    ):
        client.get(path)
    assert client.delete(f"/jobs/{job_id}").status_code == 200


def ended(client: TestClient, player: Player) -> None:
    job_id = client.post("/analyze", files=files(), headers={"Idempotency-Key": "k"}).json()["job_id"]
    kept = SampledRows(rows=[0], data=[[1.0, "x"]], values=VALUES[:16], predictions=VALUES[:8])
    player.finish(job_id, VALUES, rows=2, features=["a", "b"], samples=[kept])
    for path in ("sample", "plots/waterfall", "report"):
        assert client.get(f"/jobs/{job_id}/{path}").status_code == 200
    assert client.post("/analyze", files=files(), headers={"Idempotency-Key": "k", "Prefer": "wait=9"}).is_success
    for path in (f"/jobs/{job_id}", f"/job_status/{job_id}", f"/jobs/{job_id}/summary", f"/jobs/{job_id}/events"):
        assert client.get(path).status_code == 200
    for media_type in ("application/json", "text/csv", "application/x-npy", "application/octet-stream"):
        found = client.get(f"/jobs/{job_id}/result", headers={"Accept": media_type})
        assert (found.status_code, "link" in found.headers) == (200, False), "there are no ids"
    assert client.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": "end"}).status_code == 204
    assert client.delete(f"/jobs/{job_id}/result").status_code == 204
    failed = client.post("/analyze", files=files()).json()["job_id"]
    player.fail(failed, JobError(code="no_rows", message="data has no rows.", detail={"field": "data"}))
    for path in (f"/jobs/{failed}", f"/job_status/{failed}", f"/jobs/{failed}/result", "/admin/memory"):
        client.get(path)


def with_ids(client: TestClient, player: Player) -> None:
    options = (None, '{"id_column": "a"}')
    job_id = client.post("/analyze", files=files(options=options)).json()["job_id"]
    held = player.plan(job_id, rows=2, features=["a", "b"], per_chunk=2)
    assert held
    player.act(lambda queue: queue.put_values(held, IDS, msgspec.msgpack.encode(["x", 2])))
    player.commit(held, VALUES, SUMMARY)
    assert client.get(f"/jobs/{job_id}/ids?rows=1-1").json()["ids"] == [2]
    result = f"/jobs/{job_id}/result"
    assert f"</jobs/{job_id}/ids>" in client.get(result, headers={"Accept": "application/x-npy"}).headers["link"]
    for media_type in ("application/json", "text/csv"):
        assert "link" not in client.get(result, headers={"Accept": media_type}).headers, "it holds them"


def test_a_dry_run(client: TestClient, player: Player) -> None:
    job_id = client.post("/analyze", files=files(options=(None, '{"dry_run": true}'))).json()["job_id"]
    player.commit(player.lease(job_id), b"", FORECAST)  # a child that only forecasts plans nothing
    assert client.get(f"/jobs/{job_id}/summary").json() == {"job_id": job_id, "status": "finished", **FORECAST}
    assert client.get(f"/job_status/{job_id}").json()["result"] == {**FORECAST, "links": {}}


def test_children_forecast_what_is_written_down() -> None:
    info = model_info(["a"], ["y"])
    table: Any = SimpleNamespace(rows=2, spans=[None])
    layout = Layout(format="csv", columns=["a"], features=["a"])
    opened = Opened(table=table, layout=layout, per_chunk=2, pace=planner.Pace(1.0))
    request: Any = SimpleNamespace(model_bytes=1, cap_bytes=2, slots=1, sample_rows=0)
    model = SimpleNamespace(n_features=1)
    prepared: Any = SimpleNamespace(info=info, model=model, options=Options(), needs_bytes=lambda rows: rows)
    found = forecast(opened, request, prepared, 1)
    assert list(found) == [field.name for field in msgspec.structs.fields(Forecast)] == list(FORECAST)


@pytest.mark.parametrize(
    "changed", [{"extra": 1}, {"job_id": 1}, {"status": "odd"}, {"created_at": "yesterday"}, {"rows_done": None}]
)
def test_an_answer_that_breaks_it_is_noticed(client: TestClient, submitted: str, changed: dict[str, Any]) -> None:
    response = client.get(f"/jobs/{submitted}")
    assert check(response) == ("getJob", "200")
    response._content = json.dumps(response.json() | changed).encode()
    with pytest.raises(ValidationError):
        check(response)


def test_it_is_answered_to_those_who_ask(client: TestClient) -> None:
    response = client.get("/openapi.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == document()
