"""Rows in pieces, over threads: the C kernel holds no lock. Runs where the library is used.

How rows are cut must not show in the values. The kernel takes rows in blocks, and what a block gets depends on nobody
else, so path-dependent values may be cut between any two blocks; values against a background may not, and are cut
alike for any number of threads.
"""

import os
from collections.abc import Callable, Iterator

import numpy as np

from shaptrees.arrays import Floats

BLOCK_ROWS = 64
"""Rows that the kernel takes at a time, or a multiple of them."""
PIECE_BYTES = 1 << 25
"""Of values, about; more where that is less than a block."""
MOST_ROWS = 8192


def count(n_jobs: int | None) -> int:
    """Threads for `n_jobs`, as joblib counts: None for one, -1 for as many as there are processors, -2 one less."""
    if not n_jobs:
        return 1
    return n_jobs if n_jobs > 0 else max(1, _processors() + 1 + n_jobs)


def _processors() -> int:
    """Those that this process may use, where the system says so."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def piece_rows(rows: int, row_bytes: int, threads: int) -> int:
    """A multiple of BLOCK_ROWS, so that there is a piece for every thread and none is too large."""
    most = min(MOST_ROWS, max(1, PIECE_BYTES // max(1, row_bytes)), max(1, -(-rows // threads)))
    return -(-most // BLOCK_ROWS) * BLOCK_ROWS


def in_pieces(compute: Callable[[slice], Floats], rows: int, *, piece: int, threads: int) -> Floats:
    """What `compute` gives for each piece of the rows, one after the other along the first axis."""
    pieces = [slice(first, min(rows, first + piece)) for first in range(0, max(1, rows), piece)]
    if len(pieces) == 1:
        return compute(pieces[0])
    found = _mapped(compute, pieces, min(threads, len(pieces)))
    start = next(found)
    whole = np.empty((rows, *start.shape[1:]))
    whole[pieces[0]] = start
    for place, part in zip(pieces[1:], found, strict=True):
        whole[place] = part
    return whole


def _mapped(compute: Callable[[slice], Floats], pieces: list[slice], threads: int) -> Iterator[Floats]:
    if threads == 1:
        yield from map(compute, pieces)
        return
    from concurrent.futures import ThreadPoolExecutor  # brings logging

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(compute, pieces)
