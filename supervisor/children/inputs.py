"""The bytes that a child may read: its job's parts, by name, and nothing else. Runs in the supervisor.

A child asks for a piece at a time, so nothing here ever holds a file. Does not look into the bytes.
"""

import asyncio
import contextlib
from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from jobs import errors
from jobs.blobs import BlobStore
from jobs.protocol import PIECE_BYTES, SMALL_BYTES, Read
from jobs.queue import Queue
from jobs.records import Blob, Chunk, Input
from jobs.trusted_models import trusted_models
from supervisor import tasks


class Part(Protocol):
    """Something that can be read at random."""

    @property
    def size(self) -> int: ...

    @property
    def identity(self) -> str:
        """The same only for the same bytes."""
        ...

    async def read(self, offset: int, length: int) -> bytes: ...


@runtime_checkable
class Stripped(Protocol):
    """A part of which only short ranges may be wanted."""

    async def read_strips(self, offset: int, length: int, step: int, count: int) -> bytes:
        """`count` strips of `length` bytes, `step` apart, that all lie within the part."""
        ...


class UploadPart(msgspec.Struct, frozen=True):
    """An upload in the blob store, up to byte `size`."""

    blobs: BlobStore
    blob: Blob
    size: int

    @property
    def identity(self) -> str:
        return self.blob.sha256

    async def read(self, offset: int, length: int) -> bytes:
        return await self.blobs.read(self.blob, offset, min(length, self.size - offset))

    async def read_strips(self, offset: int, length: int, step: int, count: int) -> bytes:
        return await self.blobs.read_strips(self.blob, offset, length, step, count)


class FilePart(msgspec.Struct, frozen=True):
    """An operator's model file."""

    path: Path
    size: int
    changed_ns: int

    @property
    def identity(self) -> str:
        return f"file {self.path} {self.size} {self.changed_ns}"

    async def read(self, offset: int, length: int) -> bytes:
        return await asyncio.to_thread(self._read, offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)


class PartialsPart:
    """Every chunk's Partial, one frame after the other: fetched as they are read, for there may be thousands."""

    def __init__(self, queue: Queue, job_id: str, sizes: Sequence[int]) -> None:
        self._queue = queue
        self._job_id = job_id
        self._ends = array("Q", accumulate(sizes))

    @property
    def size(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def identity(self) -> str:
        return f"partials of {self._job_id}"

    async def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        first, last = bisect_right(self._ends, offset), bisect_right(self._ends, end - 1)
        frames = await self._queue.partials(self._job_id, first, last - first + 1)
        start = offset - (self._ends[first - 1] if first else 0)
        return frames[start : start + end - offset]


class RetriedPart(msgspec.Struct, frozen=True):
    """A part whose bytes are read however long it takes to reach them."""

    part: Part
    retry: Callable[[Callable[[], Awaitable[bytes]]], Awaitable[bytes]]

    @property
    def size(self) -> int:
        return self.part.size

    @property
    def identity(self) -> str:
        return self.part.identity

    async def read(self, offset: int, length: int) -> bytes:
        return await self.retry(lambda: self.part.read(offset, length))

    async def read_strips(self, offset: int, length: int, step: int, count: int) -> bytes:
        if not isinstance(self.part, Stripped):
            return b""
        part = self.part
        return await self.retry(lambda: part.read_strips(offset, length, step, count))


Parts = Mapping[str, Part]
OF_THE_ROWS = frozenset({"data", "expected"})
"""Parts that only a job's own children read: whatever else it has makes its template."""


def of_the_model(parts: Parts) -> dict[str, Part]:
    """What two jobs must have in common to share a template."""
    return {name: part for name, part in parts.items() if name not in OF_THE_ROWS}


def sizes(parts: Parts) -> dict[str, int]:
    return {name: part.size for name, part in parts.items()}


@contextlib.asynccontextmanager
async def read_ahead(part: Part) -> AsyncIterator[Awaitable[bytes]]:
    """All of a small part, read while something else goes on; of a large one nothing. Awaiting it raises as `read`."""
    reading = asyncio.create_task(part.read(0, part.size) if 0 < part.size <= SMALL_BYTES else _nothing())
    try:
        yield reading
    finally:
        await tasks.cancel({reading})


async def _nothing() -> bytes:
    return b""


async def read_part(parts: Parts, asked: Read) -> bytes:
    """What a child asked for; an unknown part, or what lies outside of a part, has no bytes."""
    part = parts.get(asked.part)
    if part is None or not 0 <= asked.offset < part.size or asked.length <= 0:
        return b""
    if asked.count == 1:
        return await part.read(asked.offset, min(asked.length, PIECE_BYTES))
    end = asked.offset + (asked.count - 1) * asked.step + asked.length
    if not isinstance(part, Stripped) or end > part.size or asked.count * asked.length > PIECE_BYTES:
        return b""
    return await part.read_strips(asked.offset, asked.length, asked.step, asked.count)


def job_parts(blobs: BlobStore, inputs: Mapping[str, Input], trusted_dir: Path | None, chunk: Chunk) -> dict[str, Part]:
    """A job's parts, as much of them as the chunk may read.

    Raises UnknownModel when the operator's directory does not have the file.
    """
    parts = {name: _part(blobs, source, trusted_dir) for name, source in inputs.items()}
    data = inputs["data"].blob
    if chunk.kind == "rows" and data:  # what follows belongs to other chunks, and may have gone with them
        parts["data"] = UploadPart(blobs, data, chunk.end)
    return parts


async def partials_part(queue: Queue, job_id: str) -> PartialsPart:
    return PartialsPart(queue, job_id, await queue.partial_sizes(job_id))


def _part(blobs: BlobStore, source: Input, trusted_dir: Path | None) -> Part:
    if source.blob is not None:
        return UploadPart(blobs, source.blob, source.blob.size)
    known = trusted_models(trusted_dir)
    path = known.get(str(source.trusted_name))
    if path is None:
        raise errors.UnknownModel(model_id=source.trusted_name, known=", ".join(list(known)[:10]) or "none")
    found = path.stat()
    return FilePart(path, found.st_size, found.st_mtime_ns)
