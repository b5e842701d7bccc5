"""Jobs over HTTP: list, status, cancel, and the status as clients of the RQ service poll it. The web process.

Does not submit (see `analyze`) nor give values (see `results`).
"""

import time
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import parameters, problems, results
from api.auth import Realm
from api.parameters import WholeNumber
from api.problems import ProblemDetails, ProblemResponse
from api.representation import JobStatus, StateOfJob, links, status_document
from api.resources import resources
from api.responses import JsonResponse
from api.result_table import FLOAT_BYTES, Incomplete, Table
from api.result_writers import JsonWriter
from api.routes import Answer, Routes
from api.summaries import PolledForecast, PolledSummary
from jobs.errors import ResultExpired, UnknownJob
from jobs.records import Job
from jobs.states import JobState
from jobs.store import Store

routes = Routes(Realm.API)
LIMIT = WholeNumber(name="limit", description="How many.", default=50, least=1, most=200)
OFFSET = WholeNumber(name="offset", description="After how many.", default=0, least=0, most=10**9)
SMALL_VALUES = 10_000
"""At most so many values are part of a polled status."""


class JobList(msgspec.Struct, kw_only=True):
    """Jobs, the newest first, without their attempts."""

    jobs: list[JobStatus]
    offset: int
    limit: int
    unreadable: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Ids of those that are left out, as their records in the store cannot be read; left out where there are none."""


class PolledStatus(msgspec.Struct, kw_only=True):
    """A job as clients of the RQ service poll it. `error` is the cause's code and its sentence."""

    success: bool
    job_id: str
    status: JobState
    result: PolledSummary | None
    error: str | None


class PolledDryRun(msgspec.Struct, kw_only=True):
    """The same of a dry run that has finished."""

    success: bool
    job_id: str
    status: JobState
    result: PolledForecast
    error: str | None


class PolledProblem(ProblemDetails, kw_only=True):
    """No such job, also in the words of the RQ service."""

    success: bool
    error: str


@routes.get(
    "/jobs",
    "listJobs",
    "Jobs, the newest first",
    Answer("Jobs.", JobList),
    parameters=[LIMIT, OFFSET, parameters.CALLER],
    link="jobs",
)
async def listing(request: Request) -> Response:
    """The newest first."""
    limit, offset = LIMIT.read(request), OFFSET.read(request)
    found = await resources(request).store.jobs(offset=offset, limit=limit)
    now = time.time()
    listed = [status_document(job, now) for job in found.jobs]
    unreadable = found.unreadable or msgspec.UNSET
    return JsonResponse(JobList(jobs=listed, offset=offset, limit=limit, unreadable=unreadable))


@routes.get("/jobs/{job_id}", "getJob", "How far a job is", Answer("The job.", JobStatus), link="job")
async def status(request: Request) -> Response:
    """The job with its last attempts."""
    store, job_id = resources(request).store, parameters.job_id(request)
    job, attempts = await store.job(job_id), await store.attempts(job_id)
    return JsonResponse(status_document(job, time.time(), attempts))


@routes.delete("/jobs/{job_id}", "cancelJob", "Cancel", Answer("Its state now.", StateOfJob))
async def cancel(request: Request) -> Response:
    """A job that has ended stays as it is, and the answer says how."""
    job_id = parameters.job_id(request)
    state = await resources(request).store.cancel(job_id)
    return JsonResponse(StateOfJob(job_id=job_id, status=state))


@routes.get(
    "/job_status/{job_id}",
    "pollJob",
    "The status, for clients that poll",
    Answer("The job, with its result once it is there.", (PolledStatus, PolledDryRun)),
    Answer("No such job.", status=404, content={ProblemResponse.media_type: PolledProblem}),
)
async def polled_status(request: Request) -> Response:
    """A job, or that there is none, in one shape."""
    store = resources(request).store
    try:
        job = await store.job(parameters.job_id(request))
    except UnknownJob as problem:
        details = problems.document(problem, PolledProblem, success=False, error=problem.message)
        return problems.respond(problem, details=details)
    result = await _polled_result(store, job) if job.state is JobState.FINISHED else None
    error = f"{job.error.code}: {job.error.message}" if job.error else None
    return JsonResponse({"success": True, "job_id": job.job_id, "status": job.state, "result": result, "error": error})


async def _polled_result(store: Store, job: Job) -> dict[str, Any]:
    """The summary, where the values are, and the values themselves when they are few and still there."""
    if not (job.model and job.layout) or job.options.reduce:  # they have no values
        return {**(job.summary or {}), "links": {}}
    result = {**(job.summary or {}), "links": {"values": links(job.job_id).result}}
    table = Table.of_job(job, 0, (job.rows or 0) - 1)
    if table.values_bytes <= SMALL_VALUES * FLOAT_BYTES:
        try:
            result |= await _values(store, table)
        except (ResultExpired, Incomplete):
            result["links"] = {}
    return result


async def _values(store: Store, table: Table) -> dict[str, Any]:
    document = b"".join([part async for part in results.stream(store, table, JsonWriter(table))])
    found: dict[str, Any] = msgspec.json.decode(document)
    return {name: found[name] for name in ("features", "outputs", "base_values", "shape", "values")}
