"""What may never happen, whatever was sent. Runs in the campaign.

Every finding is a line for people, sorted under a category; without findings the campaign has passed.
"""

import json
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

from chaos.findings import Findings, add_faults
from fuzz.client import Answer
from fuzz.inputs import Input
from jobs.states import ENDED, JobState

CATEGORIES = (
    "no answer",
    "server error",
    "bad problem",
    "stuck job",
    "unnamed end",
    "crashed",
    "refused though valid",
    "stalled",
    "asked another host",
    "too large",
    "ended by itself",
    "left process",
    "left file",
    "logged fault",
    "contract",
)
ANNOUNCED = frozenset({"busy", "storage_full", "too_many_connections", "memory_cap", "no_room"})
"""Codes of 503 and 507 that a client is told to expect."""
UNNAMED = frozenset({"raised", "internal", "supervisor_lost", "unknown"})
"""Ends of a job that name no cause: somebody forgot one."""
CATBOOST = b"CBM1"
"""A file that its library alone reads, and may die of."""
_ERRORS = re.compile(r'Traceback|"level": "(?:critical|error)"|"exception":|AddressSanitizer|Fatal Python error')


def check_answer(sent: Input, answer: Answer, findings: Findings) -> None:
    """Of a whole request there is one; an error is a problem; what is ours to mend is not there at all."""
    label = f"{sent.name}: {answer.status} {answer.body[:300]!r}"
    if sent.whole and not answer.complete and not answer.is_stream:
        findings.add("no answer", label)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.document.get("code") not in ANNOUNCED:
        findings.add("server error", label)
    if answer.complete and answer.status >= HTTPStatus.BAD_REQUEST and _is_bad_problem(answer):
        findings.add("bad problem", label)


def _is_bad_problem(answer: Answer) -> bool:
    """HEAD has no body, and /job_status/{job_id} is older than problems: both keep the status. The inference protocols
    have their own member for an error.
    """
    if b"Traceback" in answer.body:
        return True
    if not answer.body or "job_status" in answer.document.get("links", {}):
        return False
    is_problem = answer.headers.get("content-type") == "application/problem+json" or "error" in answer.document
    return not is_problem or answer.document.get("status") != answer.status


def check_job(sent: Input, job: dict[str, Any], findings: Findings) -> None:
    """It has ended, by a name."""
    label, error = f"{sent.name}: {job.get('job_id')}", job.get("error") or {}
    said = json.dumps(error)[:600]
    if job.get("status") not in ENDED:
        findings.add("stuck job", f"{label} {json.dumps(job)[:1000]}")
    elif error.get("code") in UNNAMED or "Traceback" in said:
        findings.add("unnamed end", f"{label} {said}")
    elif error.get("code") == "crashed" and CATBOOST not in sent.raw:
        findings.add("crashed", f"{label} {said}")
    elif sent.must_finish and job["status"] == JobState.FAILED:
        findings.add("refused though valid", f"{label} {said}")


def check_logs(directory: Path, findings: Findings) -> None:
    """No traceback, and nothing that an operator would be woken for."""
    add_faults(directory, _ERRORS, findings)
