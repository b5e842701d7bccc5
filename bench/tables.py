"""Tables of any length, made a block at a time: as NPY (by rows and by columns), CSV and Parquet.

One block of random rows is repeated, as what is measured does not depend on the numbers. Parquet is written by a
process of its own, as pyarrow lies apart from what the service is measured with (requirements-dask.in says why).
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy

from api.npy import write_header

FEATURES = 50
BLOCK_ROWS = 5_000
APART = Path(sys.prefix) / "dask"
FORMATS = ("npy", "fortran", "csv", *(("parquet",) if APART.exists() else ()))
READ_BYTES = 1024 * 1024
GROUP_ROWS = 10_000
_PARQUET = """
import sys, numpy, pyarrow, pyarrow.parquet
rows, features, block_rows, group_rows = map(int, sys.argv[2:])
block = numpy.random.default_rng(7).normal(size=(block_rows, features))
block = pyarrow.table({f"f{number}": block[:, number] for number in range(features)})
with pyarrow.parquet.ParquetWriter(sys.argv[1], block.schema) as file:
    for first in range(0, rows, group_rows):
        wanted = min(group_rows, rows - first)
        blocks = [block] * -(-wanted // block_rows)
        file.write_table(pyarrow.concat_tables(blocks).slice(0, wanted), group_rows)
"""


def table(rows: int, kind: str) -> Iterator[bytes]:
    """A file of so many rows, a piece at a time."""
    block = numpy.random.default_rng(7).normal(size=(BLOCK_ROWS, FEATURES))
    if kind == "parquet":
        yield from _parquet(rows)
    elif kind == "fortran":
        yield write_header([rows, FEATURES]).replace(b"'fortran_order': False", b"'fortran_order': True ")
        for column in block.T:
            yield from _repeated([cell.astype("<f8").tobytes() for cell in column], rows)
    elif kind == "npy":
        yield write_header([rows, FEATURES])
        yield from _repeated([row.astype("<f8").tobytes() for row in block], rows)
    else:
        yield ",".join(f"f{number}" for number in range(FEATURES)).encode() + b"\n"
        lines = (msgspec.json.encode([round(cell, 5) for cell in row.tolist()])[1:-1] + b"\n" for row in block)
        yield from _repeated(list(lines), rows)


def environment() -> dict[str, str]:
    """Of a service that reads all of them."""
    return {"PYTHONPATH": os.pathsep.join([str(APART), os.environ.get("PYTHONPATH", "")])}


def _repeated(lines: list[bytes], count: int) -> Iterator[bytes]:
    whole = b"".join(lines)
    for _ in range(count // len(lines)):
        yield whole
    yield b"".join(lines[: count % len(lines)])


def _parquet(rows: int) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "rows.parquet"
        sizes = map(str, (rows, FEATURES, BLOCK_ROWS, GROUP_ROWS))
        command = [sys.executable, "-c", _PARQUET, str(path), *sizes]
        subprocess.run(command, env={**os.environ, **environment()}, check=True)
        with path.open("rb") as file:
            while piece := file.read(READ_BYTES):
                yield piece
