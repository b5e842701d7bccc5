"""NPY as a stream: an array is written block by block, and read into the one place where it will stay.

Runs in the caller's process. Any other file of NumPy's is none of its business.
"""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from shap_supervisor.errors import Unreachable

BLOCK_BYTES = 1024 * 1024
MAGIC_BYTES, LENGTH_BYTES = 8, 2
Floats = NDArray[np.float64]


def header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Of an array in C order, version 1.0."""
    out = io.BytesIO()
    descr = {"descr": npy_format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy_format.write_array_header_1_0(out, descr)
    return out.getvalue()


def blocks(rows: int, row_bytes: int) -> Iterator[slice]:
    """All rows, about a MiB at a time."""
    step = max(1, BLOCK_BYTES // max(row_bytes, 1))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def dumps(array: Floats) -> bytes:
    """A small array as a file."""
    return header(array.shape, array.dtype) + array.tobytes()


class Shape:
    """Takes the header off a stream."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] | None = None
        self.dtype: np.dtype[Any] = np.dtype("<f8")
        self._head = bytearray()

    def feed(self, piece: bytes) -> bytes:
        """What of this piece belongs to the values."""
        if self.shape is not None:
            return piece
        self._head += piece
        start = MAGIC_BYTES + LENGTH_BYTES
        end = start + int.from_bytes(self._head[MAGIC_BYTES:start], "little")
        if len(self._head) < max(end, start + 1):
            return b""
        text = io.BytesIO(bytes(self._head[MAGIC_BYTES:end]))
        self.shape, _, self.dtype = npy_format.read_array_header_1_0(text)
        return bytes(self._head[end:])


class ArraySink:
    """Fills one array with what comes."""

    def __init__(self) -> None:
        self._shape = Shape()
        self._array: Floats | None = None
        self._bytes = memoryview(b"")
        self._filled = 0

    def write(self, piece: bytes) -> None:
        values = self._shape.feed(piece)
        if self._array is None and self._shape.shape is not None:
            self._array = np.empty(self._shape.shape, self._shape.dtype)
            self._bytes = self._array.reshape(-1).view(np.uint8).data
        self._bytes[self._filled : self._filled + len(values)] = values
        self._filled += len(values)

    def array(self) -> Floats:
        """Raises Unreachable where the stream ended before the array."""
        if self._array is None or self._filled < self._array.nbytes:
            raise Unreachable("The result ended before its end; ask for it again.", "incomplete")
        return self._array


class RowsDecoder:
    """Whole rows out of a stream, as arrays."""

    def __init__(self) -> None:
        self._shape = Shape()
        self._left = b""
        self._rows = 0

    def feed(self, piece: bytes) -> Floats | None:
        """The rows that are complete now; None for none."""
        self._left += self._shape.feed(piece)
        if self._shape.shape is None:
            return None
        row_shape = self._shape.shape[1:]
        row_bytes = int(np.prod(row_shape)) * self._shape.dtype.itemsize
        count = len(self._left) // row_bytes
        ready, self._left = self._left[: count * row_bytes], self._left[count * row_bytes :]
        self._rows += count
        return np.frombuffer(ready, self._shape.dtype).reshape(count, *row_shape) if count else None

    def finish(self) -> None:
        """Raises Unreachable where rows are missing."""
        if self._shape.shape is None or self._rows < self._shape.shape[0]:
            raise Unreachable("The result ended before its last row: see the job's status for why.", "incomplete")
