"""Decoding UBJSON (draft 12), as far as XGBoost writes it: big-endian numbers, typed and counted containers.

A file can nest no deeper than MOST_DEPTH and claim no more items than it has bytes: no claim is believed unread.
"""

from typing import Any

import numpy as np

MOST_DEPTH = 64
_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "u": ">u2", "l": ">i4", "m": ">u4", "L": ">i8", "M": ">u8"}
_FLOATS = {"d": ">f4", "D": ">f8"}
_CONSTANTS = {"Z": None, "T": True, "F": False}


def decode(content: bytes) -> Any:
    """The document. Raises ValueError where it is not one."""
    reader = _Reader(content)
    return reader.value(reader.marker(), 0)


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.content) - self.at:
            raise ValueError("the file ends too early")
        self.at += size
        return self.content[self.at - size : self.at]

    def marker(self) -> str:
        while True:
            marker = chr(self.take(1)[0])
            if marker != "N":
                return marker

    def length(self) -> int:
        size = self.number(self.marker())
        if not isinstance(size, int) or size < 0:
            raise ValueError("a length is not a whole number")
        return size

    def number(self, marker: str) -> int | float:
        code = _NUMBERS.get(marker) or _FLOATS.get(marker)
        if code is None:
            raise ValueError(f"unknown marker {marker!r}")
        dtype = np.dtype(code)
        number: int | float = np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()
        return number

    def value(self, marker: str, depth: int) -> Any:
        if depth > MOST_DEPTH:
            raise ValueError("nested too deeply")
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == "C":
            return self.take(1).decode("ascii")
        if marker == "S":
            return self.take(self.length()).decode("utf-8")
        if marker == "[":
            return self.array(depth)
        if marker == "{":
            return self.mapping(depth)
        return self.number(marker)

    def header(self) -> tuple[str | None, int | None]:
        """The type and the count of a container's items, where it states them."""
        kind = count = None
        if self.content[self.at : self.at + 1] == b"$":
            self.take(1)
            kind = self.marker()
        if self.content[self.at : self.at + 1] == b"#":
            self.take(1)
            count = self.length()
        if kind is not None and count is None:
            raise ValueError("a typed container without a count")
        return kind, count

    def array(self, depth: int) -> Any:
        kind, count = self.header()
        code = (_NUMBERS.get(kind) or _FLOATS.get(kind)) if kind else None
        if code is not None and count is not None:
            dtype = np.dtype(code)
            return np.frombuffer(self.take(count * dtype.itemsize), dtype)
        items: list[Any] = []
        while self.more(count, len(items)):
            items.append(self.value(kind or self.marker(), depth + 1))
        return items

    def mapping(self, depth: int) -> dict[str, Any]:
        kind, count = self.header()
        found: dict[str, Any] = {}
        read = 0
        while self.more(count, read, b"}"):
            key = self.take(self.length()).decode("utf-8")
            found[key] = self.value(kind or self.marker(), depth + 1)
            read += 1
        return found

    def more(self, count: int | None, read: int, end: bytes = b"]") -> bool:
        """Whether another item follows; takes the closing bracket. Items take a byte each, or they are constants."""
        if count is not None:
            if count > len(self.content):
                raise ValueError("a container claims more items than the file has bytes")
            return read < count
        if self.content[self.at : self.at + 1] == end:
            self.take(1)
            return False
        return True
