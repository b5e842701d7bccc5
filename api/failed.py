"""A job that was waited for and ended without a result, as the problem that it would have been at the door. Pure.

Used in the web process. Does not cover the job's own record, which says the same in its `error`: see `representation`.
"""

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


def respond(job: Job) -> Response:
    """The error's own status; 409 for a job that was cancelled."""
    error = job.error
    if error is None:
        problem = streaming.no_result(job)
        return problems.respond(problem, details=problems.document(problem, FailedJob, job_id=job.job_id))
    status = STATUSES.get(error.code, UNKNOWN_STATUS)
    details = problems.stated(FailedJob, error.code, status, error.message, error.detail, job_id=job.job_id)
    return ProblemResponse(details, status)
