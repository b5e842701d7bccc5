"""Jobs over HTTP: list, status, cancel, and the status as clients of the RQ service poll it. The web process.

Does not submit (see `analyze`) nor give values (see `results`).
"""

import time
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import parameters, problems, results
from api.representation import links, status_document
from api.resources import resources
from api.responses import JsonResponse
from api.result_table import FLOAT_BYTES, Incomplete, Table
from api.result_writers import JsonWriter
from jobs.errors import ResultExpired, UnknownJob
from jobs.records import Job
from jobs.states import JobState
from jobs.store import Store

LISTED, MOST_LISTED, MOST_OFFSET = 50, 200, 10**9
SMALL_VALUES = 10_000
"""At most so many values are part of a polled status."""


async def listing(request: Request) -> Response:
    """GET /jobs: the newest first."""
    limit = parameters.whole_number(request, "limit", default=LISTED, least=1, most=MOST_LISTED)
    offset = parameters.whole_number(request, "offset", default=0, least=0, most=MOST_OFFSET)
    found = await resources(request).store.jobs(offset=offset, limit=limit)
    now = time.time()
    return JsonResponse({"jobs": [status_document(job, now) for job in found], "offset": offset, "limit": limit})


async def status(request: Request) -> Response:
    """GET /jobs/{id}."""
    store, job_id = resources(request).store, parameters.job_id(request)
    job, attempts = await store.job(job_id), await store.attempts(job_id)
    return JsonResponse(status_document(job, time.time(), attempts))


async def cancel(request: Request) -> Response:
    """DELETE /jobs/{id}: a job that has ended stays as it is, and the answer says how."""
    job_id = parameters.job_id(request)
    state = await resources(request).store.cancel(job_id)
    return JsonResponse({"job_id": job_id, "status": state})


async def polled_status(request: Request) -> Response:
    """GET /job_status/{id}: success, job_id, status, result, error."""
    store = resources(request).store
    try:
        job = await store.job(parameters.job_id(request))
    except UnknownJob as problem:
        return problems.respond(problem, more={"success": False, "error": problem.message})
    result = await _polled_result(store, job) if job.state is JobState.FINISHED else None
    error = f"{job.error.code}: {job.error.message}" if job.error else None
    return JsonResponse({"success": True, "job_id": job.job_id, "status": job.state, "result": result, "error": error})


async def _polled_result(store: Store, job: Job) -> dict[str, Any]:
    """The summary, where the values are, and the values themselves when they are few and still there."""
    result = {**(job.summary or {}), "links": {"values": links(job.job_id)["result"]}}
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
