"""The parts of a job as files: `model`, `data`, `background`, `expected` and `partials`, fetched as they are read.

Runs in templates and children. Does not know what is in them: see `models` and `rows`.
"""

from dataclasses import dataclass
from typing import BinaryIO

from child.pipe import Pipe


@dataclass(frozen=True, kw_only=True)
class Source:
    """One part as a seekable file of `size` bytes; `field` is its name in messages."""

    field: str
    file: BinaryIO
    size: int


@dataclass(frozen=True)
class Parts:
    """What this process may read of its job: the bytes of each part, by its name."""

    pipe: Pipe
    sizes: dict[str, int]

    @property
    def has_background(self) -> bool:
        return self.has("background")

    def has(self, part: str) -> bool:
        """Whether the job came with it."""
        return part in self.sizes

    def source(self, part: str) -> Source:
        """One part, at its beginning; empty where the job has none of this name."""
        size = self.sizes.get(part, 0)
        return Source(field=part, file=self.pipe.part(part, size), size=size)
