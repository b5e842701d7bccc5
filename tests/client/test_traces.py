"""A program that traces itself with OpenTelemetry: what it asks for belongs to its trace."""

import sys

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider

from shap_supervisor import Client, Unavailable
from tests.api.receiver import Receiver

X = np.zeros((3, 2))


@pytest.fixture
def refusing() -> Receiver:
    found = Receiver()
    found.answers.append((501, {}, b""))
    return found


def test_a_request_within_a_span_carries_its_trace(refusing: Receiver) -> None:
    with refusing as receiver, TracerProvider().get_tracer("test").start_as_current_span("notebook") as span:
        sent(receiver)
    _, trace, parent, _ = receiver.received[0].headers["traceparent"].split("-")
    assert (int(trace, 16), int(parent, 16)) == (span.get_span_context().trace_id, span.get_span_context().span_id)


def test_without_a_span_it_carries_none(refusing: Receiver) -> None:
    with refusing as receiver:
        sent(receiver)
    assert "traceparent" not in receiver.received[0].headers


def test_without_the_library_it_is_not_asked_for(refusing: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with refusing as receiver:
        sent(receiver)
    assert "traceparent" not in receiver.received[0].headers


def sent(receiver: Receiver) -> None:
    with Client(receiver.url) as client, pytest.raises(Unavailable):
        client.submit(b"{}", X)
