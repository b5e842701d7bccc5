"""The shape of a job's values, and their bytes cut anew along it. Used in the web process.

Values are float64 in C order: (rows, F), (rows, F, K), (rows, F, F) or (rows, F, F, K). They are handled in *lines*:
what one row, or one matrix row of an interaction, holds: F or F x K numbers. What F counts says `jobs.kept`. Does not
write formats: see `result_writers`.
"""

import math
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from jobs import kept
from jobs.records import Job

FLOAT_BYTES = 8
BATCH_BYTES = 32 * 1024
"""Converted to text at once: about a millisecond in which the process answers nobody else."""


class Table(NamedTuple):
    """Rows `first` to `last` (inclusive) of a finished job."""

    job_id: str
    explainer: str
    engine: str
    features: list[str]
    outputs: list[str]
    base_values: list[float]
    interactions: bool
    row_shape: tuple[int, ...]
    first: int
    last: int
    id_column: str | None = None
    whole_ids: bool = False
    """Its ids are integers, all of them."""
    named: Sequence[str] = ()
    """Of `top_k`: what the places in the first `places` columns are places of; empty otherwise."""
    places: int = 0

    @classmethod
    def of_job(cls, job: Job, first: int, last: int) -> "Table":
        assert job.model
        assert job.layout
        return cls(
            job_id=job.job_id,
            explainer=job.model.explainer,
            engine=job.model.engine,
            features=kept.columns(job.layout, job.model, job.options),
            outputs=job.model.outputs,
            base_values=job.model.base_values,
            interactions=job.options.interactions,
            row_shape=kept.row_shape(job.layout, job.model, job.options),
            first=first,
            last=last,
            id_column=job.options.id_column,
            whole_ids=job.layout.whole_ids,
            named=job.model.values_of(job.layout) if job.options.top_k else (),
            places=job.options.top_k or 0,
        )

    @property
    def rows(self) -> int:
        return self.last - self.first + 1

    @property
    def shape(self) -> list[int]:
        return [self.rows, *self.row_shape]

    def about(self) -> dict[str, Any]:
        """What is said beside the values."""
        return {
            "job_id": self.job_id,
            "explainer": self.explainer,
            "engine": self.engine,
            "features": self.features,
            "outputs": self.outputs,
            "base_values": list(self.base_values),
            "shape": self.shape,
            "rows": [self.first, self.last],
        }

    @property
    def line_values(self) -> int:
        return len(self.features) * len(self.outputs)

    @property
    def lines_per_row(self) -> int:
        return len(self.features) if self.interactions else 1

    @property
    def row_bytes(self) -> int:
        return math.prod(self.row_shape) * FLOAT_BYTES

    @property
    def values_bytes(self) -> int:
        return self.rows * self.row_bytes


class Incomplete(Exception):
    """Some values have gone while they were being sent."""


async def batches(pieces: AsyncIterator[bytes], line_bytes: int, total_bytes: int) -> AsyncIterator[bytes]:
    """The same bytes in whole lines, about BATCH_BYTES at once; an empty piece announces a pause.

    Raises Incomplete when they end early.
    """
    batch_bytes = max(BATCH_BYTES // line_bytes, 1) * line_bytes
    rest = bytearray()
    sent = 0
    async for piece in pieces:
        rest += piece
        while len(rest) >= batch_bytes:
            yield bytes(rest[:batch_bytes])
            del rest[:batch_bytes]
            sent += batch_bytes
        if not piece and (whole := len(rest) // line_bytes * line_bytes):
            yield bytes(rest[:whole])
            del rest[:whole]
            sent += whole
    if sent + len(rest) != total_bytes:
        raise Incomplete(f"{sent + len(rest)} bytes instead of {total_bytes}")
    if rest:
        yield bytes(rest)
