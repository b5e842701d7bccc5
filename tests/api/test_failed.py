"""A job that was waited for and failed: every code has the status that it would have at the door."""

from typing import Any

import msgspec
import pytest

from api import failed
from jobs.errors import Problem, all_problems
from jobs.options import Options
from jobs.outcomes import Outcome
from jobs.records import Job, JobError
from jobs.states import JobState


def answer(code: str) -> tuple[int, dict[str, Any]]:
    error = JobError(code=code, message="It did not work.", detail={"row": 3})
    job = Job(job_id="j", state=JobState.FAILED, created_at=0.0, options=Options(), inputs={}, blobs=[], error=error)
    response = failed.respond(job)
    return response.status_code, msgspec.json.decode(response.body)


@pytest.mark.parametrize("problem", [Problem, *all_problems()], ids=lambda problem: problem.code)
def test_a_problem_keeps_its_status(problem: type[Problem]) -> None:
    status, document = answer(problem.code)
    assert status == document["status"] == problem.status
    assert (document["code"], document["data"], document["job_id"]) == (problem.code, {"row": 3}, "j")


@pytest.mark.parametrize(
    ("status", "codes"),
    [
        (507, {"memory_cap", "memory_watch", "oom_killed", "machine_full"}),
        (504, {"timed_out"}),
        (500, {"raised", "crashed", "supervisor_lost", "parent_lost", "incomplete", "store_damaged"}),
        (422, {"a code of a newer version"}),
    ],
)
def test_how_an_attempt_died(status: int, codes: set[str]) -> None:
    assert {answer(code)[0] for code in codes} == {status}


def test_every_way_to_fail_has_a_status() -> None:
    ways = set(Outcome) - {Outcome.SUCCEEDED, Outcome.CANCELLED, Outcome.REFUSED}
    assert all(answer(outcome.value)[0] >= 500 for outcome in ways)
