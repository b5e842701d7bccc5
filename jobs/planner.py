"""How many rows go into a chunk, and how many bytes it will need. Pure arithmetic, used by the child that opens a job.

Does not know what a chunk really took: the cap is enforced elsewhere, and a chunk that ran out is halved.
"""

from collections.abc import Iterator

FLOAT_BYTES = 8
CAP_SHARE = 0.5
"""A chunk is planned for this share of its cap: the estimate is not the whole truth."""
AUTO_ROWS = 2_000
"""Rows a chunk for SHAP_BATCH_SIZE=auto, as far as the cap allows."""
MAX_CHUNKS = 50_000
"""Chunks a job: each has a record in Redis, and the plan must fit one message."""
INPUT_COPIES = 3
"""Copies of the input rows that the explainers and the additivity check make."""


def row_bytes(features: int, outputs: int, interactions: bool) -> int:
    """Bytes that one explained row needs at the peak, its input copies and its result (made twice) included."""
    width = features + 1
    cells = width * width if interactions else width
    return FLOAT_BYTES * (2 * cells * outputs + INPUT_COPIES * features)


def rows_per_chunk(batch_size: int | str, cap_bytes: int, *, features: int, outputs: int, interactions: bool) -> int:
    """The rows of a chunk: at most `batch_size`, fewer where the cap would not hold them, never below one."""
    most = AUTO_ROWS if isinstance(batch_size, str) else batch_size
    fits = int(cap_bytes * CAP_SHARE) // row_bytes(features, outputs, interactions)
    return max(1, min(most, fits))


def cut(rows: int, per_chunk: int) -> Iterator[tuple[int, int]]:
    """First and last row (inclusive) of each chunk."""
    for first in range(0, rows, per_chunk):
        yield first, min(first + per_chunk, rows) - 1


def halves(first: int, last: int) -> list[tuple[int, int]]:
    """The two halves of a chunk of at least two rows."""
    middle = (first + last) // 2
    return [(first, middle), (middle + 1, last)]
