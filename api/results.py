"""A job's values and summary. Values are streamed from the store a batch at a time; used in the web process.

Does not know formats (see `result_writers`) nor shapes (see `result_table`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api import columnar, negotiation, parameters, streaming
from api.admission import READER_BYTES, Turns
from api.auth import Realm
from api.columnar import Frames
from api.parameters import Flag
from api.resources import Resources, resources
from api.responses import JsonResponse
from api.result_table import BATCH_BYTES, FLOAT_BYTES, Incomplete, Table, batches
from api.result_writers import CsvWriter, JsonWriter, NpyWriter, Result, Writer
from api.routes import BINARY, Answer, Routes
from api.row_ids import RowIds
from api.summaries import JobForecast, JobSummary
from jobs.errors import NoColumnar, NoResult, NotAcceptable, NotReady, ResultExpired
from jobs.records import Job
from jobs.store import Store

PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow"
COLUMNAR: dict[str, Callable[[Table], Writer]] = {
    PARQUET: partial(Frames, "parquet"),
    f"{ARROW}.stream": partial(Frames, "arrows"),
    f"{ARROW}.file": partial(Frames, "arrow"),
}
"""These need the extra `tables`."""
WRITERS: dict[str, Callable[[Table], Writer]] = {
    "application/json": JsonWriter,
    "text/csv": CsvWriter,
    "application/x-npy": NpyWriter,
    "application/octet-stream": NpyWriter,
    **COLUMNAR,
}
VALUES: dict[str, Any] = {
    media_type: {"application/json": Result, "text/csv": str}.get(media_type, BINARY) for media_type in WRITERS
}
"""What they are, by media type."""
STREAM = Flag(name="stream", description="Begin while later chunks are still running.")
routes = Routes(Realm.API)
log = structlog.get_logger()


@routes.get(
    "/jobs/{job_id}/result",
    "getResult",
    "The values",
    Answer(
        "In the format that Accept names. `Link` leads to the ids of rows, where it has no room for them.",
        content=VALUES,
        headers=("Content-Disposition",),
    ),
    parameters=[parameters.ROWS, STREAM],
    link="result",
)
async def result(request: Request) -> Response:
    """The values of a finished job; with `stream`, also of one that runs."""
    media_type = negotiate(request)
    store = resources(request).store
    job = await store.job(parameters.job_id(request))
    if STREAM.read(request) and (job.rows or request.method != "HEAD"):  # HEAD waits for nothing
        job = await streaming.opened(request, resources(request), job)
    else:
        check_finished(job)
    check_keeps_rows(job)
    return await respond(request, job, media_type)


@routes.delete(
    "/jobs/{job_id}/result",
    "forgetResult",
    "Forget the values of a job that has ended",
    Answer("Forgotten.", status=204),
)
async def forget(request: Request) -> Response:
    """Makes room in the store; the job's record stays."""
    store, job_id = resources(request).store, parameters.job_id(request)
    await store.forget_values(job_id)
    return Response(status_code=204)


@routes.get(
    "/jobs/{job_id}/summary",
    "getSummary",
    "Mean |SHAP| of each feature, base values, additivity",
    Answer("The summary; of a dry run, its forecast.", (JobSummary, JobForecast)),
    link="summary",
)
async def summary(request: Request) -> Response:
    """The stored summary beside job_id and status."""
    job = await resources(request).store.job(parameters.job_id(request))
    check_finished(job)
    return JsonResponse({"job_id": job.job_id, "status": job.state, **(job.summary or {})})


def negotiate(request: Request) -> str:
    """The media type to answer with. Raises NotAcceptable, and NoColumnar for what only a missing extra could give."""
    accept = ", ".join(request.headers.getlist("accept"))
    chosen = negotiation.choose(accept, [known for known in WRITERS if known not in COLUMNAR or columnar.can_write()])
    if chosen is None:
        raise NoColumnar if negotiation.choose(accept, list(COLUMNAR)) else NotAcceptable(available=", ".join(WRITERS))
    return chosen


def check_finished(job: Job) -> None:
    """Raises NotReady and NoResult."""
    if not job.ended:
        raise NotReady(state=job.state.value)
    streaming.check_successful(job)


def check_keeps_rows(job: Job) -> None:
    """Raises NoResult for a job that has no values of rows, however it ends."""
    if job.options.dry_run:
        raise NoResult(state=job.state.value, reason="It was a dry run, which computes no values.")
    if job.options.reduce:
        raise NoResult(state=job.state.value, reason="It keeps no rows, as `reduce` says: ask for its summary.")


async def respond(request: Request, job: Job, media_type: str) -> Response:
    """The values of a finished job, or of one that still runs: as they come.

    Raises InvalidParameter, ResultExpired, TooManyColumnar.
    """
    table = Table.of_job(job, *parameters.row_range(request, job.rows or 0))
    writer = WRITERS[media_type](table)
    headers = {"Content-Disposition": f'attachment; filename="{_file_name(table, job, writer.suffix)}"'}
    if table.id_column is not None and not writer.ids:
        headers["Link"] = f'</jobs/{table.job_id}/ids>; rel="related"; title="ids"; type="application/json"'
    return await send(resources(request), job, table, writer, media_type=media_type, headers=headers)


async def send(
    house: Resources, job: Job, table: Table, writer: Writer, *, media_type: str, headers: dict[str, str]
) -> Response:
    """The values of `table` as `writer` writes them. Raises ResultExpired, TooManyColumnar."""
    if (length := writer.length()) is not None:
        headers["Content-Length"] = str(length)
    if job.ended and table.values_bytes <= BATCH_BYTES:
        return Response(await _whole(house, table, writer), headers=headers, media_type=media_type)
    if job.ended and not await house.store.results.exist(job.job_id):
        raise _expired(house.store, job.job_id)
    more = None if job.ended else streaming.more_of(house, job.job_id)
    values = _body(house, table, writer, more)
    return ResultStream(house.admission.readers, values, headers=headers, media_type=media_type)


class ResultStream(StreamingResponse):
    """Values that are sent when it is their turn: until then nothing of them is in this process."""

    def __init__(self, readers: Turns, values: AsyncIterator[bytes], **how: Any) -> None:
        super().__init__(values, **how)
        self._readers = readers
        self._values = values

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Busy, and what the first of the values is refused for."""
        if scope["method"] == "HEAD":  # of which nothing is sent, see `routes`
            await super().__call__(scope, receive, send)
            return
        async with self._readers.take(READER_BYTES):
            self.body_iterator = await begun(self._values)
            await super().__call__(scope, receive, send)


async def _whole(house: Resources, table: Table, writer: Writer) -> bytes:
    """What is sent at once can still be refused. Raises ResultExpired, TooManyColumnar."""
    try:
        return b"".join([part async for part in _body(house, table, writer)])
    except Incomplete:
        raise _expired(house.store, table.job_id) from None


async def begun(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same once the first is there, until when an answer can still be refused."""
    first = await anext(parts)

    async def whole() -> AsyncIterator[bytes]:
        async with aclosing(parts):  # type: ignore[type-var]  # it is a generator
            yield first
            async for part in parts:
                yield part

    return whole()


def _expired(store: Store, job_id: str) -> ResultExpired:
    return ResultExpired(job_id=job_id, ttl_s=store.job_ttl_s)


def _body(
    house: Resources, table: Table, writer: Writer, more: Callable[[], Awaitable[bool]] | None = None
) -> AsyncIterator[bytes]:
    parts = stream(house.store, table, writer, more)
    return house.columnar.written(parts) if isinstance(writer, Frames) else parts


async def stream(
    store: Store, table: Table, writer: Writer, more: Callable[[], Awaitable[bool]] | None = None
) -> AsyncIterator[bytes]:
    """The answer's bytes. Whatever fails on the way must end the connection: half a result is none."""
    pieces = store.results.read(table.job_id, row_bytes=table.row_bytes, first=table.first, last=table.last, more=more)
    ids, line = RowIds(store, table), 0
    yield writer.begin()
    async with aclosing(pieces):  # type: ignore[type-var]  # it is a generator
        async for batch in batches(pieces, table.line_values * FLOAT_BYTES, table.values_bytes):
            lines = len(batch) // (table.line_values * FLOAT_BYTES)
            if writer.ids == "beside":
                yield writer.give(await ids.of_lines(line, lines))
            yield writer.write(batch)
            line += lines
    if writer.ids == "after":
        async for found in ids.all():
            yield writer.give(found)
    yield writer.end()


def _file_name(table: Table, job: Job, suffix: str) -> str:
    part = "" if table.rows == job.rows else f"-{table.first}-{table.last}"
    return f"shap-{table.job_id}{part}.{suffix}"
