"""Waiting for a job: ask, more slowly with time, until it has ended or the time is over.

Runs in the command's own process. A service that is away for a moment (restarted, deployed) is asked again.
"""

import time
from collections.abc import Callable

from cli.client import Client, Document
from cli.failures import JobFailed, TimedOut, Unreachable
from jobs.states import ENDED, JobState

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.25
PATIENCE_S = 15.0
"""How long a service may be away before waiting gives up."""


def wait_for_end(
    client: Client,
    job_id: str,
    *,
    timeout_s: float | None,
    show: Callable[[Document], None],
    meanwhile: Callable[[], None] = lambda: None,
) -> Document:
    """The job's document once it has ended, however it ended. Raises TimedOut, Unreachable."""
    started = answered = time.monotonic()
    pause = FIRST_PAUSE_S
    while True:
        try:
            job = client.job(job_id)
        except Unreachable:
            if time.monotonic() - answered > PATIENCE_S:
                raise
        else:
            answered = time.monotonic()
            show(job)
            if JobState(job["status"]) in ENDED:
                return job
        if timeout_s is not None and time.monotonic() - started > timeout_s:
            raise TimedOut(f"The job {job_id} has not ended after {timeout_s:g} s.")
        meanwhile()
        time.sleep(pause)
        pause = min(pause * 1.4, LONGEST_PAUSE_S)


def require_finished(job: Document) -> None:
    """Raises JobFailed with the cause, in one line."""
    if job["status"] == JobState.FINISHED:
        return
    error = job.get("error") or {}
    if error:
        raise JobFailed(f"The job {job['job_id']} failed: {error.get('message')}", error.get("code"))
    raise JobFailed(f"The job {job['job_id']} was {job['status']}.")
