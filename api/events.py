"""GET /jobs/{id}/events: a job's progress as server-sent events, until it ends. Used in the web process.

    event: progress   the status document as in lists, whenever something in it has changed
    event: end        the same, once the job has ended; the stream closes after it

A browser's EventSource connects again after the end and then says that it has seen it: it is answered 204, which stops
it. Between events a comment every KEEPALIVE_S keeps proxies from hanging up. Does not carry values: see `results`.
"""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import parameters
from api.auth import Realm
from api.parameters import Parameter
from api.representation import status_document
from api.resources import Resources, resources
from api.responses import JsonResponse
from api.routes import Answer, Routes
from jobs.connection import UNAVAILABLE
from jobs.errors import Problem
from jobs.records import Job

LOOK_S = 0.5
KEEPALIVE_S = 15.0
END = "end"
MEDIA_TYPE = "text/event-stream"
LAST_EVENT_ID = Parameter(name="Last-Event-ID", where="header", description="As a browser sends it.")
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
routes = Routes(Realm.API)
_STATUS = {"contentMediaType": JsonResponse.media_type, "contentSchema": {"$ref": "#/components/schemas/JobStatus"}}
log = structlog.get_logger()


class ServerSentEvent(msgspec.Struct, kw_only=True):
    """Each event of the stream: OpenAPI 3.1 describes what it is made of by the schema of one."""

    event: Literal["progress", "end"]
    data: Annotated[str, msgspec.Meta(extra_json_schema=_STATUS)]
    id: Literal["end"] | msgspec.UnsetType = msgspec.UNSET


@routes.get(
    "/jobs/{job_id}/events",
    "followJob",
    "Progress as server-sent events",
    Answer("`progress` whenever the job has changed, then `end`.", content={MEDIA_TYPE: ServerSentEvent}),
    Answer("The end was seen: do not connect again.", status=204),
    parameters=[LAST_EVENT_ID],
    link="events",
)
async def events(request: Request) -> Response:
    """The stream. Raises UnknownJob."""
    house, job_id = resources(request), parameters.job_id(request)
    job = await house.store.job(job_id)
    if job.ended and request.headers.get("last-event-id") == END:
        return Response(status_code=204)
    return StreamingResponse(_stream(house, job), headers=HEADERS, media_type=MEDIA_TYPE)


async def _stream(house: Resources, job: Job) -> AsyncIterator[bytes]:
    """Ends early when Redis is away, or this process is leaving: EventSource connects again by itself."""
    told, told_at = b"", time.monotonic()
    try:
        while not job.ended:
            if (news := _progress(job)) != told:
                told, told_at = news, time.monotonic()
                yield news
            elif time.monotonic() - told_at > KEEPALIVE_S:
                told_at = time.monotonic()
                yield b":\n\n"
            if house.subscription.leaving():
                return
            job = await house.subscription.wait(house.store, job.job_id, LOOK_S) or await house.store.job(job.job_id)
        yield _event(END, job, event_id=END)
    except (TimeoutError, *UNAVAILABLE, Problem) as error:
        log.warning("events_abandoned", job_id=job.job_id, error=str(error))


def _progress(job: Job) -> bytes:
    return _event("progress", job)


def _event(name: str, job: Job, event_id: str = "") -> bytes:
    """JSON has no line breaks, so one `data` line carries it. A job's seconds would change with every look."""
    document = status_document(job, job.ended_at or job.started_at or job.created_at)
    lines = [b"event: " + name.encode(), *([b"id: " + event_id.encode()] if event_id else [])]
    return b"\n".join([*lines, b"data: " + msgspec.json.encode(document, enc_hook=str), b"", b""])
