"""Where rows lie in the data: a job's chunks are ranges of bytes of the upload, and nothing is copied to cut them.

Made by the child that opens a job, kept in Redis by the supervisor. Does not read the data: see `child.rows`.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

PLACE = struct.Struct("<QQ")
"""Start and end of a span's bytes."""


class Span(msgspec.Struct, kw_only=True, frozen=True, array_like=True):
    """Rows `first` to `last` (inclusive, from 0), found in bytes `start` to `end` (exclusive) of the data.

    Row `span_first` is the one that begins at `start`: a halved chunk keeps its parent's bytes and skips rows.
    """

    first: int
    last: int
    span_first: int
    start: int
    end: int

    @property
    def rows(self) -> int:
        return self.last - self.first + 1

    @property
    def chunk_id(self) -> str:
        return f"{self.first}-{self.last}"


class Spans(msgspec.Struct, kw_only=True, frozen=True):
    """The spans of all chunks of `rows` rows, `per_chunk` in each but the last: a sequence that makes a Span when it is
    asked for one, as a job may have tens of thousands.
    """

    rows: int
    per_chunk: int
    places: bytes
    """Start and end of each, as PLACE."""

    @classmethod
    def at(cls, rows: int, per_chunk: int, places: Iterable[tuple[int, int]]) -> "Spans":
        packed = array("Q", chain.from_iterable(places))
        if sys.byteorder == "big":
            packed.byteswap()
        return cls(rows=rows, per_chunk=per_chunk, places=packed.tobytes())

    def __post_init__(self) -> None:
        if self.rows < 0 or self.per_chunk < 1 or len(self.places) != PLACE.size * -(-self.rows // self.per_chunk):
            raise ValueError("rows and places do not go together")

    def __len__(self) -> int:
        return len(self.places) // PLACE.size

    def __getitem__(self, number: int) -> Span:
        first = range(0, self.rows, self.per_chunk)[number]
        start, end = PLACE.unpack_from(self.places, first // self.per_chunk * PLACE.size)
        last = min(first + self.per_chunk, self.rows) - 1
        return Span(first=first, last=last, span_first=first, start=start, end=end)

    def __iter__(self) -> Iterator[Span]:
        return map(self.__getitem__, range(len(self)))
