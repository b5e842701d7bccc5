"""A finished job's values and summary. Values are streamed from Redis a batch at a time; used in the web process.

Does not know formats (see `writers`) nor shapes (see `table`).
"""

from collections.abc import AsyncIterator
from contextlib import aclosing

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import accept, reading
from api.replies import Json
from api.resources import resources
from api.table import FLOAT_BYTES, Table, batches
from api.writers import CsvWriter, JsonWriter, NpyWriter, Writer
from jobs.errors import NoResult, NotAcceptable, NotReady, ResultExpired
from jobs.records import Job
from jobs.states import JobState
from jobs.store import Store

WRITERS: dict[str, type[Writer]] = {
    "application/json": JsonWriter,
    "text/csv": CsvWriter,
    "application/x-npy": NpyWriter,
    "application/octet-stream": NpyWriter,
}
log = structlog.get_logger()


async def result(request: Request) -> Response:
    """GET /jobs/{id}/result."""
    media_type = negotiate(request)
    job = await resources(request).store.job(reading.job_id(request))
    check_finished(job)
    if job.options.dry_run:
        raise NoResult(state=job.state.value, reason="It was a dry run, which computes no values.")
    return await respond(request, job, media_type)


async def summary(request: Request) -> Response:
    """GET /jobs/{id}/summary: the stored summary beside job_id and status."""
    job = await resources(request).store.job(reading.job_id(request))
    check_finished(job)
    return Json({"job_id": job.job_id, "status": job.state, **(job.summary or {})})


def negotiate(request: Request) -> str:
    """The media type to answer with. Raises NotAcceptable."""
    chosen = accept.choose(", ".join(request.headers.getlist("accept")), list(WRITERS))
    if chosen is None:
        raise NotAcceptable(available=", ".join(WRITERS))
    return chosen


def check_finished(job: Job) -> None:
    """Raises NotReady and NoResult."""
    if not job.ended:
        raise NotReady(state=job.state.value)
    if job.state is not JobState.FINISHED:
        reason = f"{job.error.code}: {job.error.message}" if job.error else "It was cancelled."
        raise NoResult(state=job.state.value, reason=reason)


async def respond(request: Request, job: Job, media_type: str) -> Response:
    """The values of a finished job. Raises InvalidParameter and ResultExpired."""
    store = resources(request).store
    table = Table.of_job(job, *reading.row_range(request, job.rows or 0))
    if not await store.has_values(job.job_id):
        raise ResultExpired(job_id=job.job_id, ttl_s=store.job_ttl_s)
    writer = WRITERS[media_type](table)
    headers = {"Content-Disposition": f'attachment; filename="{_file_name(table, job, writer.suffix)}"'}
    if (length := writer.length()) is not None:
        headers["Content-Length"] = str(length)
    if request.method == "HEAD":
        return Response(headers=headers, media_type=media_type)
    return StreamingResponse(stream(store, table, writer), headers=headers, media_type=media_type)


async def stream(store: Store, table: Table, writer: Writer) -> AsyncIterator[bytes]:
    """The answer's bytes. Whatever fails on the way must end the connection: half a result is none."""
    pieces = store.values(table.job_id, row_bytes=table.row_bytes, first=table.first, last=table.last)
    yield writer.begin()
    async with aclosing(pieces):  # type: ignore[type-var]  # it is a generator
        async for batch in batches(pieces, table.line_values * FLOAT_BYTES, table.values_bytes):
            yield writer.write(batch)
    yield writer.end()


def _file_name(table: Table, job: Job, suffix: str) -> str:
    part = "" if table.rows == job.rows else f"-{table.first}-{table.last}"
    return f"shap-{table.job_id}{part}.{suffix}"
