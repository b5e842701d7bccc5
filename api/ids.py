"""GET /jobs/{id}/ids: what `id_column` has in each row, for formats that hold numbers only. In the web process."""

from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import parameters, results
from api.auth import Realm
from api.resources import resources
from api.responses import JsonResponse
from api.result_table import Table
from api.routes import Answer, Routes
from api.row_ids import RowIds
from jobs.errors import NoIds
from jobs.results import Id

routes = Routes(Realm.API)


class IdsOfJob(msgspec.Struct, kw_only=True):
    """The ids of rows `rows` ([first, last]), in their order."""

    job_id: str
    id_column: str
    rows: list[int]
    ids: list[Id]


@routes.get(
    "/jobs/{job_id}/ids",
    "getIds",
    "The ids of its rows",
    Answer("The ids.", IdsOfJob),
    parameters=[parameters.ROWS],
)
async def ids(request: Request) -> Response:
    """Those of a finished job, a chunk's at a time."""
    store = resources(request).store
    job = await store.job(parameters.job_id(request))
    results.check_finished(job)
    column = job.options.id_column
    if column is None or not job.layout:
        raise NoIds
    table = Table.of_job(job, *parameters.row_range(request, job.rows or 0))
    head = IdsOfJob(job_id=job.job_id, id_column=column, rows=[table.first, table.last], ids=[])
    parts = await results.begun(_document(head, RowIds(store, table).all()))
    return StreamingResponse(parts, media_type=JsonResponse.media_type)


async def _document(head: IdsOfJob, found: AsyncIterator[list[Id]]) -> AsyncIterator[bytes]:
    before = msgspec.json.encode(head).removesuffix(b"]}")
    async for some in found:
        yield before + msgspec.json.encode(some)[1:-1]
        before = b","
    yield b"]}\n"
