"""GET /jobs/{id}/chunks: how each chunk of a job stands, for a picture of it. Used in the web process.

A chunk that was halved is `done` and stays in the list, before its halves. Does not say how attempts ended: see `jobs`.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import parameters
from api.auth import Realm
from api.resources import resources
from api.responses import JsonResponse
from api.routes import Answer, Routes
from jobs.states import ChunkState

MOST = 4_000
"""Of more, none is listed: a picture could not show them, and they would take megabytes."""
routes = Routes(Realm.API)


class ChunkOfJob(msgspec.Struct, kw_only=True):
    """Rows `first` to `last` of the data, from 0 and inclusive. `attempts` and `crashes`: those without success."""

    chunk: str
    first: int
    last: int
    state: ChunkState
    attempts: int
    crashes: int


class ChunkList(msgspec.Struct, kw_only=True):
    """By first row, the larger first; empty until the job is opened, and where there are more than 4,000 (`total`)."""

    job_id: str
    total: int
    chunks: list[ChunkOfJob]


@routes.get(
    "/jobs/{job_id}/chunks", "listChunks", "How each chunk of a job stands", Answer("Chunks.", ChunkList), link="chunks"
)
async def chunks(request: Request) -> Response:
    """Raises UnknownJob."""
    store, job_id = resources(request).store, parameters.job_id(request)
    total, found = await store.chunks(job_id, most=MOST)
    listed = [
        ChunkOfJob(
            chunk=chunk.id,
            first=chunk.first,
            last=chunk.last,
            state=chunk.state,
            attempts=chunk.attempts,
            crashes=chunk.crashes,
        )
        for chunk in sorted(found, key=lambda chunk: (chunk.first, -chunk.last))
    ]
    return JsonResponse(ChunkList(job_id=job_id, total=total, chunks=listed))
