"""Cuts rows into spans while they are being found. Used by the child that opens a job.

Does not know formats: a row is the byte at which it begins.
"""

from array import array
from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from jobs import planner
from jobs.errors import TooManyChunks
from jobs.spans import Spans


class Cutter:
    """Takes the starts of rows in order, and keeps only every `per_chunk`th."""

    def __init__(self, per_chunk: int) -> None:
        self._per_chunk = per_chunk
        self._starts = array("Q")
        self.rows = 0

    def add(self, starts: Sequence[int] | npt.NDArray[np.int64]) -> None:
        """More rows, by the byte each begins at."""
        if len(self._starts) <= planner.MAX_CHUNKS:
            next_cut = -self.rows % self._per_chunk
            self._starts.extend(int(start) for start in starts[next_cut :: self._per_chunk])
        self.rows += len(starts)

    def spans(self, end: int) -> Spans:
        """The spans; `end` is the byte after the last row. Raises TooManyChunks."""
        chunks = -(-self.rows // self._per_chunk)
        if chunks > planner.MAX_CHUNKS:
            raise TooManyChunks(rows=self.rows, batch_size=self._per_chunk, chunks=chunks, limit=planner.MAX_CHUNKS)
        return Spans.at(self.rows, self._per_chunk, pairwise(chain(self._starts, [end])))


def shared(rows: int, per_chunk: int, start: int, end: int) -> Spans:
    """The spans of chunks whose rows lie all over the same bytes. Raises TooManyChunks."""
    chunks = -(-rows // per_chunk)
    if chunks > planner.MAX_CHUNKS:
        raise TooManyChunks(rows=rows, batch_size=per_chunk, chunks=chunks, limit=planner.MAX_CHUNKS)
    return Spans.at(rows, per_chunk, [(start, end)] * chunks)
