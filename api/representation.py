"""Jobs as documents of the web process: what a caller sees of a record. Pure.

A status document has

    job_id, status                         queued, started, finished, failed or cancelled
    caller                                 whose it is; left out where that is the unnamed caller
    created_at, started_at, ended_at       RFC 3339 in UTC, or null
    seconds                                from start to end, or so far; null before the start
    rows, rows_done, chunks, chunks_done   rows and chunks are null until the job is opened
    features, outputs                      their numbers; null until the job is opened
    attempts, crashes                      attempts that ended; supervisors that were lost over it
    peak_child_bytes, cap_bytes            the most that a child added, and what it may add
    explainer, engine, reason, explains    how it is explained, and what the values add up to
    warnings                               [{code, message}]: what is odd but no error, as far as it is known
    model                                  {family, name}
    options                                those that differ from the defaults
    error                                  {code, message, detail} of a failed job, else null
    follow_up                              {state, attempts, at, result_put, error}, with `callback_url` or `result_url`
    attempt_log                            (not in lists) the last attempts, oldest first
    links                                  {self, result, summary}

Does not fetch anything: see `jobs.store`.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from jobs.options import Options
from jobs.outcomes import Attempt, Evidence, Outcome
from jobs.records import Delivery, Job, JobError
from jobs.states import JobState
from jobs.warnings import JobWarning

_TRACEBACK = re.compile(
    r"^[\s|+-]*(Traceback \(most recent call last\)|Exception Group Traceback|File \".*\", line \d+"
    r"|During handling of the above exception|The above exception was the direct cause"
    r"|\[Previous line repeated|[~^]+\s*$)"
)


Timestamp = Annotated[str, msgspec.Meta(description="RFC 3339 in UTC.", extra_json_schema={"format": "date-time"})]


class StateOfJob(msgspec.Struct, kw_only=True):
    """A job and its state now."""

    job_id: str
    status: JobState


class ModelOfJob(msgspec.Struct, kw_only=True):
    """family: xgboost, lightgbm, catboost or scikit-learn; name: the estimator's class."""

    family: str
    name: str


class AttemptOfJob(msgspec.Struct, kw_only=True):
    """One run of a chunk, and what is known of its end."""

    chunk: str
    attempt: int
    outcome: Outcome
    supervisor: str
    code: str | None
    message: str | None
    detail: dict[str, Any]
    seconds: float
    ended_at: Timestamp | None
    evidence: Evidence


class Links(msgspec.Struct, kw_only=True):
    """Paths below this service's address."""

    self: str
    result: str
    summary: str


class JobStatus(StateOfJob, kw_only=True):
    """A job as it stands: see the head of this module."""

    caller: str | msgspec.UnsetType = msgspec.UNSET
    created_at: Timestamp | None
    started_at: Timestamp | None
    ended_at: Timestamp | None
    seconds: float | None
    rows: int | None
    rows_done: int
    chunks: int | None
    chunks_done: int
    attempts: int
    crashes: int
    peak_child_bytes: int
    cap_bytes: int | None
    features: int | None
    outputs: int | None
    explainer: str | None
    engine: str | None
    reason: str | None
    explains: str | None
    warnings: list[JobWarning]
    model: ModelOfJob | None
    options: Options
    error: JobError | None
    follow_up: Delivery | msgspec.UnsetType = msgspec.UNSET
    attempt_log: list[AttemptOfJob] | msgspec.UnsetType = msgspec.UNSET
    links: Links


def status_document(job: Job, now: float, attempts: list[Attempt] | None = None) -> JobStatus:
    """A job as it stands; with `attempts` also its log."""
    about = job.about
    return JobStatus(
        job_id=job.job_id,
        status=job.state,
        caller=job.caller or msgspec.UNSET,
        created_at=timestamp(job.created_at),
        started_at=timestamp(job.started_at),
        ended_at=timestamp(job.ended_at),
        seconds=_seconds(job, now),
        rows=job.rows,
        rows_done=job.rows_done,
        chunks=job.chunks,
        chunks_done=job.chunks_done,
        attempts=job.attempts,
        crashes=job.crashes,
        peak_child_bytes=job.peak_bytes,
        cap_bytes=job.cap_bytes,
        features=about.features if about else None,
        outputs=about.outputs if about else None,
        explainer=about.explainer if about else None,
        engine=about.engine if about else None,
        reason=about.reason if about else None,
        explains=about.explains if about else None,
        warnings=job.warnings,
        model=ModelOfJob(family=about.family, name=about.name) if about else None,
        options=job.options,
        error=job.error,
        follow_up=(job.delivery or Delivery(state="waiting")) if job.follow_up else msgspec.UNSET,
        attempt_log=msgspec.UNSET if attempts is None else [attempt_document(attempt) for attempt in attempts],
        links=links(job.job_id),
    )


def links(job_id: str) -> Links:
    own = f"/jobs/{job_id}"
    return Links(self=own, result=f"{own}/result", summary=f"{own}/summary")


def attempt_document(attempt: Attempt) -> AttemptOfJob:
    return AttemptOfJob(
        chunk=attempt.chunk,
        attempt=attempt.attempt,
        outcome=attempt.outcome,
        supervisor=attempt.supervisor,
        code=attempt.code,
        message=attempt.message,
        detail=attempt.detail,
        seconds=attempt.evidence.seconds,
        ended_at=timestamp(attempt.ended_at or None),
        evidence=without_traceback(attempt.evidence),
    )


def without_traceback(evidence: Evidence) -> Evidence:
    """Evidence whose stderr keeps what libraries said and loses where in the code they said it."""
    if evidence.stderr is None:
        return evidence
    return msgspec.structs.replace(evidence, stderr=_strip_traceback(evidence.stderr))


def _strip_traceback(text: str) -> str:
    """A frame is its `File` line and the indented lines of code below it."""
    kept, in_frame = [], False
    for line in text.splitlines():
        if _TRACEBACK.match(line):
            in_frame = True
        elif not in_frame or (line.strip() and not line[0].isspace()):
            in_frame = False
            kept.append(line)
    return "\n".join(kept)


def timestamp(seconds: float | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(job: Job, now: float) -> float | None:
    if job.started_at is None:
        return None
    return round(max((job.ended_at or now) - job.started_at, 0.0), 3)
