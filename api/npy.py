"""The header of an NPY file, read and written without numpy. Used in the web process.

Does not read values; the child that opens a job reads the header again, with numpy.
"""

import ast
import re
from typing import Any, NamedTuple

from jobs.errors import BadNpy, NoRows

MAGIC = b"\x93NUMPY"
ALIGNMENT = 64
_LENGTH_BYTES = {1: 2, 2: 4}
_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")


class Header(NamedTuple):
    """What the header says of a table."""

    rows: int
    columns: int
    item_bytes: int
    start: int
    """Where the values begin."""

    @property
    def file_bytes(self) -> int:
        return self.start + self.rows * self.columns * self.item_bytes


def write_header(shape: list[int]) -> bytes:
    """The header of a float64 array in C order, version 1.0."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}".encode()
    unpadded = len(MAGIC) + 2 + _LENGTH_BYTES[1] + len(text) + 1
    text += b" " * (-unpadded % ALIGNMENT) + b"\n"
    return MAGIC + b"\x01\x00" + len(text).to_bytes(2, "little") + text


def read_header(head: bytes, field: str) -> Header:
    """From a file's first bytes, which must hold all of it: a table's takes some 128. Raises BadNpy and NoRows."""
    text, start = _text(head, field)
    descr, shape = _members(text, field)
    if not isinstance(descr, str) or not _NUMBERS.fullmatch(descr):
        way_out = "x.astype(float)" if isinstance(descr, str) else "structured_to_unstructured(x)"
        reason = f"its type is {str(descr)[:80]}; it must be bool, int or float of at most 64 bits (numpy: {way_out})"
        raise BadNpy(field=field, reason=reason)
    rows, columns = _table(shape, field)
    if not rows:
        raise NoRows(field=field)
    return Header(rows, columns, int(descr[-1]), start)


def _text(head: bytes, field: str) -> tuple[bytes, int]:
    """The header's text, and where it ends."""
    size = _LENGTH_BYTES.get(head[6] if len(head) > len(MAGIC) else 0)
    if not head.startswith(MAGIC) or size is None:
        raise BadNpy(field=field, reason="its magic bytes or version are not those of an NPY file of version 1 or 2")
    start = len(MAGIC) + 2 + size
    end = start + int.from_bytes(head[start - size : start], "little")
    if end > len(head) or end == start:
        raise BadNpy(field=field, reason="the header is cut short, or longer than that of a table of numbers")
    return head[start:end], end


def _members(text: bytes, field: str) -> tuple[Any, Any]:
    """descr and shape."""
    try:
        found = ast.literal_eval(text.decode("latin-1").strip())
        return found["descr"], found["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, LookupError, MemoryError, RecursionError):
        raise BadNpy(field=field, reason="it is not the dictionary of an NPY file") from None


def _table(shape: Any, field: str) -> tuple[int, int]:
    """Rows and columns."""
    whole = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
    if not whole or len(shape) != 2 or shape[1] < 1:  # noqa: PLR2004 - a table has two dimensions
        reason = (
            f"the array has shape {str(shape)[:80]}; it must be (rows, columns) (numpy: x.reshape(1, -1) for one row)"
        )
        raise BadNpy(field=field, reason=reason)
    return shape[0], shape[1]
