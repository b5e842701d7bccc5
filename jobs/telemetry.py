"""What `traces` says, in OpenTelemetry's words. Imported where traces are sent, and nowhere else: it takes 20 MB.

Where to, how often and how many is for the environment to say, by the names of OpenTelemetry's specification.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jobs.version import VERSION

KINDS = {"server": SpanKind.SERVER, "consumer": SpanKind.CONSUMER}
LAST_SPANS_S = 2.0
TRACEPARENT = "traceparent"
_context = TraceContextTextMapPropagator()


@contextmanager
def tracer(service: str) -> Iterator[Tracer]:
    """Its spans are sent by a thread of their own. What is left at the end is waited for, but not for a collector that
    does not answer: who is told to stop must leave.
    """
    resource = Resource.create({"service.name": service, "service.version": VERSION})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield provider.get_tracer("shap-supervisor", VERSION)
    finally:
        last = threading.Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(LAST_SPANS_S)


@contextmanager
def span(
    tracer: Tracer,
    name: str,
    kind: Literal["server", "consumer"],
    parent: str | None,
    attributes: Mapping[str, str | int | float],
) -> Iterator[None]:
    context = _context.extract({TRACEPARENT: parent} if parent else {})
    with tracer.start_as_current_span(name, context, KINDS[kind], attributes):
        yield


def note(attributes: Mapping[str, str | int | float], name: str | None, failure: str | None) -> None:
    now = trace.get_current_span()
    now.set_attributes(attributes)
    if name:
        now.update_name(name)
    if failure is not None:
        now.set_status(Status(StatusCode.ERROR, failure))


def traceparent() -> str | None:
    carrier: dict[str, str] = {}
    _context.inject(carrier)
    return carrier.get(TRACEPARENT)
