"""Whether traces are sent, by the names of OpenTelemetry's environment; and that whoever wants none pays nothing."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from jobs import traces

NOBODY = "http://127.0.0.1:9"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": NOBODY}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], tuple[bool, list[Any]]]:
    """Whether spans are noted in that environment, and what is said about it."""

    def start(env: dict[str, str]) -> tuple[bool, list[Any]]:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        structlog.reset_defaults()
        with capture_logs() as logs, traces.sent("test"):
            found = traces.on()
        assert not traces.on()
        return found, logs

    return start


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_traces_are_sent_where_the_environment_says_where_to(started: Any, name: str) -> None:
    on, (line,) = started({name: NOBODY})
    assert (on, line["event"], line["service"]) == (True, "traces_on", "test")


@pytest.mark.parametrize(
    "env", [{}, {**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}]
)
def test_nothing_is_sent_or_said_where_nobody_wants_them(started: Any, env: dict[str, str]) -> None:
    assert started(env) == (False, [])


def test_another_protocol_is_named_with_the_way_out(started: Any) -> None:
    on, (line,) = started({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert (on, line["event"], line["log_level"]) == (False, "traces_off", "warning")
    assert "grpc" in line["reason"]
    assert "4318" in line["advice"]


def test_a_missing_package_is_named_with_the_way_out(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jobs.telemetry", raising=False)
    monkeypatch.delattr("jobs.telemetry", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    on, (line,) = started(ENDPOINT)
    assert (on, line["event"]) == (False, "traces_off")
    assert "shap-supervisor[traces]" in line["advice"]


def test_a_span_continues_its_parents_trace_and_lines_within_it_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(*next(iter(ENDPOINT.items())))
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")  # so that nobody is spoken to
    with traces.sent("test"):
        assert traces.current() is None
        with traces.span("a", "consumer", PARENT, {}):
            inside = traces.current()
            line = traces.add_ids(None, "", {"event": "x"})
        with traces.span("b", "server", "nonsense", {"left_out": None}):
            assert "-4bf92f" not in str(traces.current())
    assert inside is not None
    _, trace, span, flags = inside.split("-")
    assert (trace, flags) == (PARENT.split("-")[1], "01")
    assert span != PARENT.split("-")[2]
    assert line == {"event": "x", "trace_id": trace, "span_id": span}


def test_what_is_not_traced_is_noted_nowhere() -> None:
    with traces.span("a", "server", PARENT, {}):
        traces.note({"x": 1}, name="b", failure="")
        assert traces.current() is None
        assert traces.add_ids(None, "", {"event": "x"}) == {"event": "x"}


def test_neither_process_imports_what_sends_traces_for_nothing() -> None:
    code = (
        "import sys, api.__main__, supervisor.__main__; from jobs import traces\n"
        "with traces.sent('x'), traces.span('a', 'server', None, {}): traces.note({})\n"
        "print('jobs.telemetry' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False"]
