"""Traces through OpenTelemetry, where it is installed and its environment says where they go. Used by both processes.

Elsewhere nothing is imported and nothing noted. A job's record keeps the `traceparent` (W3C Trace Context) of the
request that submitted it, so that its chunks belong to that request's trace, in whatever process they run. Does not
say what a span is of: see `api.tracing` and `supervisor.chunks.executor`.
"""

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Literal

import structlog

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
HTTP_ADVICE = "Unset OTEL_EXPORTER_OTLP_PROTOCOL, and name the collector's port for HTTP: usually 4318."
Attributes = Mapping[str, str | int | float | None]
log = structlog.get_logger()
_tracer: ContextVar[Any] = ContextVar("tracer", default=None)
"""None where nothing is traced."""


@contextmanager
def sent(service: str) -> Iterator[None]:
    """Around all that a process does: its spans are sent, in the background, under the name `service`, which
    OTEL_SERVICE_NAME may replace. Those that are left at the end get a moment.
    """
    tracing = _tracing()
    if tracing is None:
        yield
        return
    log.info("traces_on", service=os.environ.get("OTEL_SERVICE_NAME") or service)
    with tracing.tracer(service) as tracer:
        before = _tracer.set(tracer)
        try:
            yield
        finally:
            _tracer.reset(before)


def _tracing() -> ModuleType | None:
    """The module that sends them, where they are wanted and can be sent."""
    env = os.environ
    off = env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER") == "none"
    if off or not any(map(env.get, ENDPOINTS)):
        return None
    protocol = next(filter(None, map(env.get, PROTOCOLS)), PROTOCOL)
    if protocol != PROTOCOL:
        log.warning("traces_off", reason=f"OTLP is spoken as {PROTOCOL} only, not as {protocol}", advice=HTTP_ADVICE)
        return None
    try:
        from jobs import telemetry
    except ImportError as error:
        log.warning("traces_off", reason=str(error), advice="pip install 'shap-supervisor[traces]'")
        return None
    return telemetry


def on() -> bool:
    return _tracer.get() is not None


@contextmanager
def span(name: str, kind: Literal["server", "consumer"], parent: str | None, attributes: Attributes) -> Iterator[None]:
    """What happens within it is noted as one span: a child of `parent`, a traceparent, where that is one.

    An exception that leaves it is its failure.
    """
    tracer = _tracer.get()
    if tracer is None:
        yield
        return
    from jobs import telemetry

    with telemetry.span(tracer, name, kind, parent, _known(attributes)):
        yield


def note(attributes: Attributes, *, name: str | None = None, failure: str | None = None) -> None:
    """Of the span that this happens in: what has become known, its `name` too; `failure` says that it has failed."""
    if not on():
        return
    from jobs import telemetry

    telemetry.note(_known(attributes), name, failure)


def current() -> str | None:
    """The traceparent of what is under way; None where nothing is."""
    if not on():
        return None
    from jobs import telemetry

    return telemetry.traceparent()


def add_ids(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog's: a line that is written within a span says of which trace."""
    if found := current():
        _, line["trace_id"], line["span_id"], _ = found.split("-")
    return line


def _known(attributes: Attributes) -> dict[str, str | int | float]:
    return {name: value for name, value in attributes.items() if value is not None}
