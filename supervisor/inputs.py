"""The bytes that a child may read: its job's parts, by name, and nothing else. Runs in the supervisor.

A child asks for a piece at a time, so nothing here ever holds a file. Does not look into the bytes.
"""

import asyncio
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from jobs import errors
from jobs.blobs import read_blob
from jobs.codec import PIECE_BYTES
from jobs.connection import RedisClient
from jobs.records import Blob, Input


class Part(Protocol):
    """Something that can be read at random."""

    @property
    def size(self) -> int: ...

    @property
    def identity(self) -> str:
        """The same only for the same bytes."""
        ...

    async def read(self, offset: int, length: int) -> bytes: ...


class UploadPart(msgspec.Struct, frozen=True):
    """An upload in the blob store."""

    redis: RedisClient
    blob: Blob

    @property
    def size(self) -> int:
        return self.blob.size

    @property
    def identity(self) -> str:
        return self.blob.sha256

    async def read(self, offset: int, length: int) -> bytes:
        return await read_blob(self.redis, self.blob, offset, length)


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


class BytesPart(msgspec.Struct, frozen=True):
    """Something small that the supervisor has at hand."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def identity(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    async def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


Parts = Mapping[str, Part]


def sizes(parts: Parts) -> dict[str, int]:
    return {name: part.size for name, part in parts.items()}


async def read_part(parts: Parts, name: str, offset: int, length: int) -> bytes:
    """What a child asked for; an unknown part or a negative offset has no bytes."""
    part = parts.get(name)
    if part is None or offset < 0 or length <= 0:
        return b""
    return await part.read(offset, min(length, PIECE_BYTES))


def job_parts(redis: RedisClient, inputs: Mapping[str, Input], trusted_dir: Path | None) -> dict[str, Part]:
    """A job's parts. Raises UnknownModel when the operator's directory does not have the file."""
    return {name: _part(redis, source, trusted_dir) for name, source in inputs.items()}


def trusted_models(directory: Path | None) -> list[str]:
    """The files that a job may name by `model_id`."""
    if directory is None:
        return []
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))


def _part(redis: RedisClient, source: Input, trusted_dir: Path | None) -> Part:
    if source.blob is not None:
        return UploadPart(redis, source.blob)
    known = trusted_models(trusted_dir)
    if trusted_dir is None or source.trusted_name not in known:
        raise errors.UnknownModel(model_id=source.trusted_name, known=", ".join(known[:10]) or "none")
    path = trusted_dir / str(source.trusted_name)
    found = path.stat()
    return FilePart(path, found.st_size, found.st_mtime_ns)
