"""How many rows go into a chunk. Pure arithmetic, used by the child that opens a job.

What a chunk takes is told by its explainer (`needs`) and its pace; the cap is enforced elsewhere, and a chunk that ran
out nevertheless is halved.
"""

from collections.abc import Callable
from typing import NamedTuple

FLOAT_BYTES = 8
CAP_SHARE = 0.8
"""A chunk is planned for this share of what its child may take: the estimate is not the whole truth."""
CHILD_BYTES = 700 * 1024
"""What a child touches before it has read a row."""
BLOCK_BYTES = 4 * 1024 * 1024
"""Values that are computed at once; those before have been sent by then."""
ROWS_PER_PASS = 64
"""Rows that the tree kernel takes side by side (its LANES); fewer take as long."""
VECTOR_ROWS = 8
"""Rows that it takes side by side at least, where the values of more would take much memory: its widest vector."""
FIXED_S = 0.025
"""What a chunk costs beside its rows: lease, fork, reading, commit."""
FIXED_SHARE = 0.03
"""Of a chunk's time, that this may be at most where the planner is free to choose."""
MAX_CHUNKS = 50_000
"""Chunks a job: each has a record in Redis, and the plan must fit one message."""
ASKED_LEAST, ASKED_MOST = 100_000, 1_000_000
"""Rows that a model is asked for in a chunk: 0.05 s to 0.5 s of a fast one, 10 s to 100 s of a slow one."""

Needs = Callable[[int], int]
"""The peak bytes of a child that explains so many rows."""


class Pace(NamedTuple):
    """How fast a child explains: each row, and what it takes however many there are, such as a pipeline's steps."""

    rows_per_s: float
    fixed_s: float = FIXED_S


def rows_per_block(features: int, outputs: int, *, interactions: bool) -> int:
    """Rows that are explained at once: whole passes of them, or where values are matrices whole vectors, and values of
    about BLOCK_BYTES.
    """
    cells = features * features if interactions else features
    rows = BLOCK_BYTES // (FLOAT_BYTES * cells * outputs)
    step = VECTOR_ROWS if interactions and rows < ROWS_PER_PASS else ROWS_PER_PASS
    return max(1, rows // step) * step


def chunk_bytes(rows: int, row_bytes: int, block_bytes: int) -> int:
    """The peak of a child: while it reads, the file's bytes and the numbers; then the numbers and one block's work."""
    return CHILD_BYTES + max(2 * rows * row_bytes, rows * row_bytes + block_bytes)


def rows_that_fit(most: int, room_bytes: int, needs: Needs) -> int:
    """The most rows, up to `most`, whose child is expected to stay within CAP_SHARE of the room; never below one."""
    low, high = 1, max(1, most)
    while low < high:
        middle = (low + high + 1) // 2
        if needs(middle) <= CAP_SHARE * room_bytes:
            low = middle
        else:
            high = middle - 1
    return low


def rows_worth_a_child(rows: int, pace: Pace, slots: int) -> int:
    """For SHAP_BATCH_SIZE=auto: enough rows to keep fixed costs small, and a chunk for every slot if there are more."""
    enough = int(pace.rows_per_s * pace.fixed_s * (1 - FIXED_SHARE) / FIXED_SHARE) + 1
    return max(1, min(enough, -(-rows // slots)))


def rows_by_asking(rows: int, asked_per_row: int, slots: int) -> int:
    """Where the model is asked for many rows to explain one: a chunk for every slot, if each asks for ASKED_LEAST, and
    none that asks for more than ASKED_MOST; known beforehand, so that the same job is cut in the same way.
    """
    least, most = ASKED_LEAST // asked_per_row, max(1, ASKED_MOST // asked_per_row)
    return max(min(most, max(least, -(-rows // slots))), -(-rows // MAX_CHUNKS))


def expected_seconds(rows: int, chunks: int, pace: Pace, slots: int) -> float:
    """How long a job will take with all slots to itself."""
    at_once = max(1, min(slots, chunks))
    return (rows / pace.rows_per_s + chunks * pace.fixed_s) / at_once


def halves(first: int, last: int) -> list[tuple[int, int]]:
    """The two halves of a chunk of at least two rows."""
    middle = (first + last) // 2
    return [(first, middle), (middle + 1, last)]
