"""The parts of one submission as they arrive: files on their way to the blob store, and small fields.

What is written before a failure is taken back. Used in the web process. Does not read bodies: see `multipart_body` and
`json_body`.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol

import anyio
import msgspec

from api.resources import Resources
from api.sniffing import DataSniffer, ExpectedSniffer, ModelSniffer, Sniffer
from api.store_watch import StoreWatch
from api.unpacking import MAGIC_BYTES, Unpacker, by_content
from jobs.blobs import BlobStore, BlobWriter
from jobs.connection import RedisError
from jobs.errors import InvalidOptions, MalformedJson, MissingPart, ModelChoice, TooLarge, UnexpectedPart
from jobs.options import Options
from jobs.records import Input

FILES = ("data", "model", "background", "expected")
URLS = {"data_url": "data", "model_url": "model", "background_url": "background"}
"""Where a file lies that is to be fetched, and whose place it takes: see `fetching`."""
FOLLOW_UPS = ("callback_url", "result_url")
FIELDS = ("model_id", "options", *URLS, *FOLLOW_UPS)
MAX_FIELD_BYTES = 64 * 1024
DISCARD_TIMEOUT_S = 5.0
_SNIFFERS: dict[str, Callable[[str], Sniffer]] = {"model": ModelSniffer, "expected": ExpectedSniffer}
_EITHER = frozenset({"model", "model_id"})
_MODELS = _EITHER | {"model_url"}
_NAMED_FIELD = re.compile(r"`(?:\$\.)?(\w+)[^`]*`$")


class Part(Protocol):
    """Takes one part's bytes."""

    async def write(self, data: bytes) -> None: ...
    async def finish(self) -> None: ...


class FilePart:
    """A file: unpacked and looked at while it passes, and held for at most a piece."""

    def __init__(self, name: str, blobs: BlobStore, room: "Room") -> None:
        self.input: Input | None = None
        self._name = name
        self._writer = BlobWriter(blobs)
        self._sniffer: Sniffer = _SNIFFERS.get(name, DataSniffer)(name)
        self._room = room
        self._begin = b""
        self._unpacker: Unpacker | None = None

    async def write(self, data: bytes) -> None:
        """Raises BadCompression, TooLarge, UnsupportedMediaType, and what its content is refused for."""
        if self._unpacker is None:
            self._begin += data
            if len(self._begin) < MAGIC_BYTES:
                return
            data = self._begin
        await self._unpack(data)

    async def finish(self) -> None:
        if self._unpacker is None:
            await self._unpack(self._begin)
        if self._unpacker:
            self._unpacker.close()
        self._sniffer.close()
        self.input = Input(blob=await self._writer.finish())

    async def discard(self) -> None:
        await self._writer.discard()

    async def _unpack(self, data: bytes) -> None:
        if self._unpacker is None:
            self._unpacker, self._begin = by_content(data, self._name), b""
        for piece in self._unpacker.feed(data):
            if self._unpacker.packed:
                await self._room.take(len(piece), self._name)
            self._sniffer.feed(piece)
            await self._writer.write(piece)


class Room:
    """What the files of a submission may be together when they are unpacked, and whether the store can hold it."""

    def __init__(self, limit_bytes: int, check_store: Callable[[], Awaitable[None]]) -> None:
        self._limit_bytes = self._left = limit_bytes
        self._watch = StoreWatch(check_store)

    async def take(self, size: int, field: str) -> None:
        """Raises TooLarge and StorageFull."""
        self._left -= size
        if self._left < 0:
            way_out = "Submit the rows in several jobs, or let the operator raise MAX_UPLOAD_MB."
            raise TooLarge(field=f"{field}, unpacked,", limit_bytes=self._limit_bytes, way_out=way_out)
        await self._watch.passed(size)


class FieldPart:
    """A short text. Raises TooLarge."""

    def __init__(self, name: str) -> None:
        self.value = b""
        self._name = name

    async def write(self, data: bytes) -> None:
        self.value += data
        if len(self.value) > MAX_FIELD_BYTES:
            way_out = "Send rows and models as files, in `data` and `model`."
            raise TooLarge(field=self._name, limit_bytes=MAX_FIELD_BYTES, way_out=way_out)

    async def finish(self) -> None:
        """Nothing is left to do."""


class Submission:
    """Collects one submission. As a context it discards every file again unless it was `handed_over`."""

    def __init__(self, house: Resources) -> None:
        self.handed_over = False
        self._blobs = house.store.blobs
        self._room = Room(house.settings.max_upload_bytes, house.admission.check_store)
        self._parts: dict[str, FilePart | FieldPart] = {}

    async def __aenter__(self) -> "Submission":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is not None and not self.handed_over:
            await self.discard()

    def begin(self, name: str) -> Part:
        """One that the caller sends. Raises UnexpectedPart and ModelChoice."""
        if name not in FILES + FIELDS:
            raise UnexpectedPart(field=name[:100], reason=f"is not known; known parts: {', '.join(FILES + FIELDS)}")
        if name in self._parts:
            raise UnexpectedPart(field=name, reason="was sent twice")
        if {*self._parts, name} >= _EITHER:
            raise ModelChoice(got="both")
        self._parts[name] = FilePart(name, self._blobs, self._room) if name in FILES else FieldPart(name)
        return self._parts[name]

    def begin_fetched(self, name: str, field: str) -> Part:
        """One that lies where `field` says. Raises UnexpectedPart."""
        if name in self._parts:
            raise UnexpectedPart(field=name, reason=f"was sent, and {field}, too")
        part = self._parts[name] = FilePart(name, self._blobs, self._room)
        return part

    def check_complete(self) -> None:
        """Raises MissingPart and ModelChoice."""
        if not {"data", "data_url"} & self._parts.keys():
            raise MissingPart(field="data", way_out="Send the rows to explain as the file part `data`.")
        if len(models := _MODELS & self._parts.keys()) != 1:
            raise ModelChoice(got="both" if models else "neither")

    def inputs(self) -> dict[str, Input]:
        """The files that have arrived, by name."""
        files = ((name, part) for name, part in self._parts.items() if isinstance(part, FilePart))
        return {name: part.input for name, part in files if part.input}

    def field(self, name: str) -> bytes | None:
        part = self._parts.get(name)
        return part.value if isinstance(part, FieldPart) else None

    def text(self, name: str) -> str | None:
        """A field that is a URL; None where it was not sent."""
        raw = self.field(name)
        return None if raw is None else raw.decode("ascii", "replace").strip()

    async def discard(self) -> None:
        """Also when the request is being cancelled. What Redis does not hear of expires by itself."""
        with anyio.move_on_after(DISCARD_TIMEOUT_S, shield=True), suppress(RedisError, OSError):
            for part in self._parts.values():
                if isinstance(part, FilePart):
                    await part.discard()


def read_options(raw: bytes | None) -> Options:
    """Raises InvalidOptions and MalformedJson."""
    if not raw or not raw.strip():
        return Options()
    try:
        return msgspec.convert(_with_integers(msgspec.json.decode(raw, type=dict[str, Any])), Options)
    except msgspec.ValidationError as error:
        named = _NAMED_FIELD.search(str(error))
        raise InvalidOptions(reason=str(error), **({"field": named[1]} if named else {})) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson(field="options", reason=str(error)) from None


def _with_integers(options: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema counts 1002.0 among the integers, and there are languages that write all their numbers so."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in options.items()
    }
