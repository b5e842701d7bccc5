"""A job that was waited for and ended without a result, as the problem that it would have been at the door. Pure.

Used in the web process. Does not cover the job's own record, which says the same in its `error`: see `representation`.
"""

from typing import Any, TypeVar

from starlette.responses import Response

from api import problems, streaming
from api.problems import ProblemDetails, ProblemResponse
from jobs.errors import Problem, all_problems
from jobs.outcomes import CAUSES, OUTCOMES
from jobs.records import Job

UNKNOWN_STATUS = 422
"""Of a code that this version does not know: a refusal, for how an attempt may die is known."""
_PROBLEMS: list[type[Problem]] = [Problem, *all_problems()]
STATUSES = {
    **{code: row.status for (_, code), row in CAUSES.items()},
    **{outcome.value: row.status for outcome, row in OUTCOMES.items()},
    **{problem.code: problem.status for problem in _PROBLEMS},
    "incomplete": 500,
    "store_damaged": 500,
}


class FailedJob(ProblemDetails, kw_only=True):
    """Why a job has no result. It stays readable at /jobs/{job_id}, with its attempts."""

    job_id: str


Failed = TypeVar("Failed", bound=FailedJob)


def respond(job: Job) -> Response:
    """The error's own status; 409 for a job that was cancelled."""
    details = document(job, FailedJob)
    return ProblemResponse(details, details.status)


def document(job: Job, kind: type[Failed], **more: Any) -> Failed:
    """Why a job has no result, as `kind`, whose further members are in `more`."""
    if job.error is None:
        return problems.document(streaming.no_result(job), kind, job_id=job.job_id, **more)
    error, status = job.error, STATUSES.get(job.error.code, UNKNOWN_STATUS)
    return problems.stated(kind, error.code, status, error.message, error.detail, job_id=job.job_id, **more)
