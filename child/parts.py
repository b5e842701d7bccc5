"""The parts of a job as files: `model`, `data`, `background`, `expected` and `partials`, fetched as they are read.

Runs in templates and children. Does not know what is in them: see `models` and `rows`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from child.pipe import PartFile, Pipe
from jobs.protocol import MOST_STRIPS, PIECE_BYTES


@dataclass(frozen=True, kw_only=True)
class Source:
    """One part as a seekable file of `size` bytes; `field` is its name in messages."""

    field: str
    file: BinaryIO
    size: int

    def strips(self, offset: int, length: int, step: int, count: int) -> Iterator[bytes]:
        """`count` strips of `length` bytes, `step` bytes apart, and no byte between them; shorter at the end."""
        raw = getattr(self.file, "raw", None)
        if not isinstance(raw, PartFile) or length > PIECE_BYTES:
            for strip in range(count):
                self.file.seek(offset + strip * step)
                yield self.file.read(length)
            return
        at_once = max(1, min(MOST_STRIPS, PIECE_BYTES // max(length, 1)))
        for first in range(0, count, at_once):
            read = raw.strips(offset + first * step, length, step, min(at_once, count - first))
            yield from (read[start : start + length] for start in range(0, len(read), length))


@dataclass(frozen=True)
class Parts:
    """What this process may read of its job: the bytes of each part, by its name."""

    pipe: Pipe
    sizes: dict[str, int]
    data: bytes = b""
    """What the part of this name begins with, as far as that is known already."""

    @property
    def has_background(self) -> bool:
        return self.has("background")

    def has(self, part: str) -> bool:
        """Whether the job came with it."""
        return part in self.sizes

    def source(self, part: str) -> Source:
        """One part, at its beginning; empty where the job has none of this name."""
        size = self.sizes.get(part, 0)
        return Source(field=part, file=self.pipe.part(part, size, self.data if part == "data" else b""), size=size)
