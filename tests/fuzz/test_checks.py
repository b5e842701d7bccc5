"""What a campaign must notice, and what it must let pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from chaos.findings import Findings
from fuzz.checks import CATEGORIES, check_answer, check_job, check_logs
from fuzz.client import Answer
from fuzz.inputs import Input

SENT = Input(name="1 model", raw=b"")
PROBLEM = {"content-type": "application/problem+json"}


def problem(status: int, code: str, **more: Any) -> Answer:
    body = json.dumps({"status": status, "code": code, **more}).encode()
    return Answer(status=status, headers=PROBLEM, body=body, complete=True)


def found(findings: Findings) -> list[str]:
    return [category for category, lines in findings.lines.items() if lines]


@pytest.mark.parametrize(
    ("answer", "category"),
    [
        (Answer(status=200, complete=True), None),
        (problem(422, "unreadable_model"), None),
        (problem(503, "busy"), None),
        (problem(507, "memory_cap"), None),
        (Answer(status=400, complete=True), None),  # to HEAD
        (Answer(status=200, headers={"content-type": "text/event-stream; charset=utf-8"}), None),  # it goes on
        (Answer(), "no answer"),
        (Answer(status=200), "no answer"),
        (problem(500, "internal"), "server error"),
        (problem(503, "storage_unavailable"), "server error"),
        (problem(422, "x", detail="Traceback (most"), "bad problem"),
        (Answer(status=404, body=b"Not Found", complete=True), "bad problem"),
        (Answer(status=400, headers=PROBLEM, body=b'{"status": 404}', complete=True), "bad problem"),
    ],
)
def test_answers(answer: Answer, category: str | None) -> None:
    findings = Findings(CATEGORIES)
    check_answer(SENT, answer, findings)
    assert found(findings) == ([category] if category else [])


def test_what_is_no_request_needs_no_answer() -> None:
    findings = Findings(CATEGORIES)
    check_answer(Input(name="1 socket", raw=b"", whole=False), Answer(), findings)
    assert not findings


@pytest.mark.parametrize(
    ("job", "category"),
    [
        ({"status": "finished", "error": None}, None),
        ({"status": "failed", "error": {"code": "unreadable_model"}}, None),
        ({"status": "started"}, "stuck job"),
        ({}, "stuck job"),
        ({"status": "failed", "error": {"code": "raised"}}, "unnamed end"),
        ({"status": "failed", "error": {"code": "crashed"}}, "crashed"),
        ({"status": "failed", "error": {"code": "bad", "message": "Traceback"}}, "unnamed end"),
    ],
)
def test_jobs(job: dict[str, Any], category: str | None) -> None:
    findings = Findings(CATEGORIES)
    check_job(SENT, job, findings)
    assert found(findings) == ([category] if category else [])


def test_a_good_job_must_finish() -> None:
    findings = Findings(CATEGORIES)
    good = Input(name="1 valid", raw=b"", must_finish=True)
    check_job(good, {"status": "cancelled"}, findings)
    assert not findings
    check_job(good, {"status": "failed", "error": {"code": "unreadable_model"}}, findings)
    assert found(findings) == ["refused though valid"]


def test_logs(tmp_path: Path) -> None:
    lines = [
        {"event": "request", "level": "info"},
        {"event": "attempt_ended", "level": "warning"},
        {"event": "odd", "level": "error", "exception": "Traceback (most recent call last)"},
    ]
    (tmp_path / "service.log").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "store.log").write_text("plain\nFatal Python error: x\n")
    findings = Findings(CATEGORIES)
    check_logs(tmp_path, findings)
    assert len(findings.lines["logged fault"]) == 2
