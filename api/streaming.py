"""Values of a job that still runs: waiting until its shape is known, and for its next chunk. Used in the web process.

Looks at the record for a chunk every POLL_S, and for the end as soon as it is announced (see `subscription`). Does not
read values: see `results`.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request

from api.resources import Resources
from jobs.errors import NoResult
from jobs.records import Job
from jobs.states import JobState

POLL_S = 0.1


async def opened(request: Request, house: Resources, job: Job) -> Job:
    """The job as soon as its rows are counted and its model is known. Raises NoResult when it ends without,
    ClientDisconnect when nobody waits any more.
    """
    while not (job.ended or job.rows):
        if await request.is_disconnected():
            raise ClientDisconnect
        await house.subscription.pause(job.job_id, POLL_S)
        job = await house.store.job(job.job_id)
    check_successful(job)
    return job


def more_of(house: Resources, job_id: str) -> Callable[[], Awaitable[bool]]:
    """For `Store.values`: waits a moment, and tells whether the job is still under way."""

    async def more() -> bool:
        """Raises NoResult when the job has ended without a result."""
        await house.subscription.pause(job_id, POLL_S)
        job = await house.store.job(job_id)
        check_successful(job)
        return not job.ended

    return more


def check_successful(job: Job) -> None:
    """Raises NoResult for a job that has failed or was cancelled."""
    if job.ended and job.state is not JobState.FINISHED:
        raise no_result(job)


def no_result(job: Job) -> NoResult:
    """Of a job that has failed or was cancelled."""
    reason = f"{job.error.code}: {job.error.message}" if job.error else "It was cancelled."
    return NoResult(state=job.state.value, reason=reason)
