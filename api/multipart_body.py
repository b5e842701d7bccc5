"""Reads multipart/form-data as a stream: every byte goes on to the blob store as it comes. Used in the web process.

Does not judge what is in a part: see `submission` and `sniffing`.
"""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from starlette.requests import Request

from api.routes import BINARY
from api.submission import Part, Submission
from jobs.blobs import BATCH_BYTES
from jobs.errors import MalformedRequest, TooLarge
from jobs.formats import DATA_FORMATS, MODEL_FORMATS
from jobs.options import Options

MEDIA_TYPE = "multipart/form-data"
EXPECTED = "The caller's own predictions for the first rows, in the output that is explained: NPY, CSV or JSON."
MAX_BOUNDARY_CHARS = 200
"""RFC 2046 allows 70."""


class Form(msgspec.Struct, kw_only=True):
    """Rows and a model, as files: either `model` or `model_id`, the name of a registered or of an operator's model; or
    where a file is to be fetched from, such as a presigned URL. `callback_url` is told the job's end, `result_url` gets
    its values by PUT. CALLBACK_HOSTS says which hosts these may name.
    """

    data: Annotated[BINARY, msgspec.Meta(description=DATA_FORMATS)] | msgspec.UnsetType = msgspec.UNSET
    model: Annotated[BINARY, msgspec.Meta(description=MODEL_FORMATS)] | msgspec.UnsetType = msgspec.UNSET
    model_id: str | msgspec.UnsetType = msgspec.UNSET
    background: BINARY | msgspec.UnsetType = msgspec.UNSET
    expected: Annotated[BINARY, msgspec.Meta(description=EXPECTED)] | msgspec.UnsetType = msgspec.UNSET
    options: Options | msgspec.UnsetType = msgspec.UNSET
    data_url: str | msgspec.UnsetType = msgspec.UNSET
    model_url: str | msgspec.UnsetType = msgspec.UNSET
    background_url: str | msgspec.UnsetType = msgspec.UNSET
    callback_url: str | msgspec.UnsetType = msgspec.UNSET
    result_url: str | msgspec.UnsetType = msgspec.UNSET


def memory_bytes(announced: int) -> int:
    """What reading takes of this process: batches to fill, to hash and in sockets, and what waits."""
    return min(announced or 4 * BATCH_BYTES, 4 * BATCH_BYTES)


async def read(request: Request, body: AsyncIterator[bytes], submission: Submission, limit_bytes: int) -> None:
    """Raises MalformedRequest, TooLarge, and whatever a part is refused for."""
    parser = PushMultipartParser(_boundary(request))
    feeder = _Feeder(submission)
    received = 0
    try:
        async for data in body:  # its last, empty piece ends the parser
            received += len(data)
            check_size(received, limit_bytes)
            for event in parser.parse(data):
                await feeder.take(event)
    except MultipartError as error:
        raise MalformedRequest(reason=str(error)) from None


def check_size(size: int, limit_bytes: int) -> None:
    """Raises TooLarge."""
    if size > limit_bytes:
        way_out = "Submit the rows in several jobs, or let the operator raise MAX_UPLOAD_MB."
        raise TooLarge(field="The request", limit_bytes=limit_bytes, way_out=way_out)


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary: str = options.get("boundary", "")
    if not 0 < len(boundary) <= MAX_BOUNDARY_CHARS or not boundary.isprintable():
        raise MalformedRequest(reason=f"Content-Type must name a boundary of 1 to {MAX_BOUNDARY_CHARS} characters")
    return boundary.encode("latin-1")


class _Feeder:
    """Hands the parser's events to the part that they belong to."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._part: Part | None = None

    async def take(self, event: MultipartSegment | bytes | None) -> None:
        if isinstance(event, MultipartSegment):
            self._part = self._submission.begin(event.name)
        elif self._part and event is not None:
            await self._part.write(event)
        elif self._part:
            await self._part.finish()
