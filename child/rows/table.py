"""Rows, and where they lie in a file: what every format's scan finds. Used in children. Does not read files."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.formats import DataFormat
from jobs.spans import Spans
from jobs.warnings import JobWarning

Rows = npt.NDArray[np.float64]
"""(rows, columns); NaN is a missing value."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """What a scan found: the columns' names (None without names), their number, and where the rows are."""

    format: DataFormat
    columns: list[str] | None
    width: int
    spans: Spans
    detail: dict[str, Any] = field(default_factory=dict)
    """What reading a span needs beside: see `Layout.detail`."""
    whole: frozenset[int] = frozenset()
    """Columns of which the file says that they hold integers of 64 bits, by their places."""
    first_line: bool = False
    """The columns are the text of a file's first line, which may be a row if the file has no header."""
    warnings: list[JobWarning] = field(default_factory=list)
    """What was decided by the file's look."""

    @property
    def rows(self) -> int:
        return self.spans.rows
