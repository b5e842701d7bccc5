"""Reads a small submission as one JSON object and hands each member on as the bytes it came in.

Used in the web process, which never builds rows of it. Does not judge what is in a part: see `submission` and
`sniffing`.
"""

from collections.abc import AsyncIterator
from typing import Annotated, TypeVar

import msgspec
from starlette.requests import Request

from api import parameters
from api.submission import FOLLOW_UPS, URLS, Submission
from jobs.blobs import BATCH_BYTES
from jobs.errors import InvalidParameter, MalformedJson, TooLarge, UnexpectedPart

MEDIA_TYPE = "application/json"
Document = TypeVar("Document", bound=msgspec.Struct)
MAX_BYTES = 8 * 1024 * 1024
ROWS = 'an object with "columns" and "data" or any other that pandas writes, or a list of rows'
MODEL = "the object that XGBoost saves as JSON; send other models as multipart/form-data"
EXPECTED = "a list of the caller's own predictions for the first rows, or an object that holds it"
_SHAPES = {
    "data": (b"{[", ROWS),
    "background": (b"{[", ROWS),
    "expected": (b"{[", EXPECTED),
    "model": (b"{", MODEL),
    "options": (b"{", "an object"),
}
_ROWS_SCHEMA = {"anyOf": [{"type": "object"}, {"type": "array", "items": {}}]}
Rows = Annotated[msgspec.Raw, msgspec.Meta(description=ROWS, extra_json_schema=_ROWS_SCHEMA)]
Expected = Annotated[msgspec.Raw, msgspec.Meta(description=EXPECTED, extra_json_schema=_ROWS_SCHEMA)]
Model = Annotated[msgspec.Raw, msgspec.Meta(description=MODEL, extra_json_schema={"type": "object"})]
RawOptions = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/Options"})]


class JsonSubmission(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Rows, and either `model` or `model_id`, or `..._url` in their place: see `Form`."""

    data: Rows | msgspec.UnsetType = msgspec.UNSET
    model: Model | msgspec.UnsetType = msgspec.UNSET
    background: Rows | msgspec.UnsetType = msgspec.UNSET
    expected: Expected | msgspec.UnsetType = msgspec.UNSET
    options: RawOptions | msgspec.UnsetType = msgspec.UNSET
    model_id: str | None = None
    data_url: str | None = None
    model_url: str | None = None
    background_url: str | None = None
    callback_url: str | None = None
    result_url: str | None = None


def memory_bytes(announced: int) -> int:
    """What reading takes of this process: the body, in a buffer that grows in steps, and the batches of a member. All
    that may come, where nothing is `announced` (0).
    """
    body = min(announced or MAX_BYTES, MAX_BYTES)
    return body * 5 // 4 + 3 * min(body, BATCH_BYTES)


async def read(request: Request, body: AsyncIterator[bytes], submission: Submission, limit_bytes: int) -> None:
    """Raises TooLarge, MalformedJson, InvalidParameter, UnexpectedPart, and whatever a part is refused for."""
    members = decode(await whole(request, body, limit_bytes), JsonSubmission)
    for name in ("model_id", *URLS, *FOLLOW_UPS):
        if (text := getattr(members, name)) is not None:
            await feed(submission, name, text.encode("utf-8", "replace"))
    for name in ("options", "model", "background", "expected", "data"):
        member = getattr(members, name)
        raw = memoryview(b"null" if member is msgspec.UNSET else member)
        if bytes(raw[:5]) != b"null":
            _check_shape(name, raw)
            await feed(submission, name, raw)


async def whole(request: Request, pieces: AsyncIterator[bytes], limit_bytes: int) -> bytearray:
    """The body. Raises TooLarge."""
    limit_bytes = min(limit_bytes, MAX_BYTES)
    check_size(parameters.content_length(request), limit_bytes)
    body = bytearray()
    async for data in pieces:
        body += data
        check_size(len(body), limit_bytes)
    return body


def check_size(size: int, limit_bytes: int) -> None:
    """Raises TooLarge."""
    if size > limit_bytes:
        raise TooLarge(field="The JSON body", limit_bytes=limit_bytes, way_out="Send multipart/form-data.")


def decode(body: bytearray, kind: type[Document]) -> Document:
    """Raises UnexpectedPart and MalformedJson."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise UnexpectedPart(field="body", reason=f"does not have the members it should: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson(field="The body", reason=str(error)) from None


def _check_shape(name: str, raw: memoryview) -> None:
    begins, description = _SHAPES[name]
    if raw[0] not in begins:
        raise InvalidParameter(field=name, reason=f"it must be {description}")


async def feed(submission: Submission, name: str, *pieces: bytes | memoryview) -> None:
    """One part, whole. Raises what it is refused for."""
    part = submission.begin(name)
    for raw in pieces:
        for start in range(0, len(raw), BATCH_BYTES):
            await part.write(bytes(raw[start : start + BATCH_BYTES]))
    await part.finish()
