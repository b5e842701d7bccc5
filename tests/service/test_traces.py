"""From a request to the chunks of its job: one trace, as a collector of OpenTelemetry's gets it."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
import xgboost
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.api.receiver import Receiver
from tests.service.conftest import LIMIT_S, Service, npy, running

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
X = np.random.default_rng(0).normal(size=(40, 3))
MODEL = bytes(
    xgboost.XGBRegressor(n_estimators=3, max_depth=2, n_jobs=1).fit(X, X[:, 0]).get_booster().save_raw("json")
)
LEAVE_S = 10.0


def environment(url: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "CHILD_MEMORY_MB": "256",
        "WORKER_SLOTS": "1",
    }


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


@pytest.fixture(scope="module")
def service(collector: Receiver) -> Iterator[Service]:
    yield from running(environment(collector.url))


def spans(collector: Receiver) -> dict[str, list[tuple[str, Span]]]:
    """What has been sent, by trace; each with the service that sent it."""
    found: dict[str, list[tuple[str, Span]]] = {}
    for received in list(collector.received):
        for resource in ExportTraceServiceRequest.FromString(received.body).resource_spans:
            who = attributes(resource.resource.attributes)["service.name"]
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                found.setdefault(span.trace_id.hex(), []).append((who, span))
    return found


def attributes(of: Any) -> dict[str, Any]:
    def value(pair: KeyValue) -> Any:
        return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")

    return {pair.key: value(pair) for pair in of}


def submitted(service: Service, data: bytes, headers: dict[str, str], **options: Any) -> dict[str, Any]:
    files = {"model": ("model", MODEL), "data": ("data", data)}
    answer = service.http.post(
        "/analyze?secret=hunter2", files=files, data={"options": json.dumps(options)}, headers=headers
    )
    assert answer.status_code == 202, answer.text
    return service.ended(answer.json()["job_id"])


def in_trace(service: Service, collector: Receiver, trace: str, count: int) -> list[tuple[str, Span]]:
    found: list[tuple[str, Span]] = service.until(
        lambda: spans(collector).get(trace) if len(spans(collector).get(trace, [])) >= count else None
    )
    return found


def test_a_job_is_one_trace_from_its_request_to_its_chunks(service: Service, collector: Receiver) -> None:
    job = submitted(service, npy(X), HEADERS, batch_size=20)
    found = in_trace(service, collector, TRACE, 5)
    (request,) = (span for who, span in found if who == "shap-supervisor-web")
    chunks = [span for who, span in found if who == "shap-supervisor-worker"]
    assert (request.name, request.kind) == ("POST /analyze", Span.SPAN_KIND_SERVER)
    assert request.parent_span_id.hex() == CALLER
    assert attributes(request.attributes)["http.response.status_code"] == 202
    assert sorted(span.name for span in chunks) == ["chunk close", "chunk open", "chunk rows", "chunk rows"]
    assert {span.parent_span_id for span in chunks} == {request.span_id}
    assert all(request.start_time_unix_nano < span.start_time_unix_nano < span.end_time_unix_nano for span in chunks)
    rows = [attributes(span.attributes) for span in chunks if span.name == "chunk rows"]
    assert {row["shap.chunk.id"] for row in rows} == {"0-19", "20-39"}
    for row in rows:
        assert (row["shap.job.id"], row["shap.chunk.rows"]) == (job["job_id"], 20)
        assert (row["shap.attempt.outcome"], row["shap.explainer"]) == ("succeeded", "tree")
        assert 0 < row["shap.child.peak_bytes"] < row["shap.child.cap_bytes"]


def test_a_chunk_that_fails_says_why(service: Service, collector: Receiver) -> None:
    trace = "a" * 32
    job = submitted(service, b"a,b,c\n1,2,?\n", {"traceparent": f"00-{trace}-{CALLER}-01"})
    assert job["status"] == "failed"
    (failed,) = (span for _, span in in_trace(service, collector, trace, 2) if span.name == "chunk open")
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert attributes(failed.attributes)["error.type"] == job["error"]["code"]
    assert failed.status.message == job["error"]["message"]


@pytest.mark.parametrize("headers", [{}, {"traceparent": "00-zz-zz-01"}])
def test_a_request_that_names_no_trace_begins_one(
    service: Service, collector: Receiver, headers: dict[str, str]
) -> None:
    job_id = submitted(service, npy(X), headers)["job_id"]
    request, chunk = service.until(lambda: of_job(collector, job_id))
    assert not request.parent_span_id
    assert (chunk.trace_id, chunk.parent_span_id) == (request.trace_id, request.span_id)


def of_job(collector: Receiver, job_id: str) -> tuple[Span, Span] | None:
    """Its request and its first chunk, when both have come."""
    for found in spans(collector).values():
        opened = [span for _, span in found if attributes(span.attributes).get("shap.job.id") == job_id]
        request = [span for _, span in found if span.name == "POST /analyze"]
        if opened and request:
            return request[0], opened[0]
    return None


def test_neither_queries_nor_probes_are_sent(service: Service, collector: Receiver) -> None:
    for path in ("/health", "/livez", "/jobs?secret=hunter2"):
        service.http.get(path, headers={"traceparent": f"00-{'b' * 32}-{CALLER}-01"})
    (only,) = in_trace(service, collector, "b" * 32, 1)
    assert only[1].name == "GET /jobs"
    assert not any(b"hunter2" in received.body for received in collector.received)


def test_log_lines_say_of_which_trace(service: Service, collector: Receiver) -> None:
    trace = "c" * 32
    job = submitted(service, npy(X), {"traceparent": f"00-{trace}-{CALLER}-01"})
    log = (service.stack.directory / "service.log").read_text().splitlines()
    lines = [line for line in map(json.loads, log) if line.get("job_id") == job["job_id"]]
    assert {line["event"] for line in lines} >= {"job_submitted", "attempt_ended"}
    assert {line["trace_id"] for line in lines} == {trace}


def test_a_collector_that_never_answers_delays_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stack = running(environment(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        service = next(stack)
        assert submitted(service, npy(X), {})["status"] == "finished"
        began = time.monotonic()
        for _ in stack:
            raise AssertionError
        assert time.monotonic() - began < LEAVE_S < LIMIT_S
    with pytest.raises(httpx2.ConnectError):
        service.http.get("/livez")
