"""A strict reader of the part of UBJSON that XGBoost writes.

Format: https://ubjson.org/type-reference/. Every length is checked against the bytes that are left, nesting is
bounded, and numeric arrays become numpy arrays without a copy of each number.
"""

import struct
from typing import Any

import numpy as np

_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"Z": None, "T": True, "F": False}
MAX_DEPTH = 64


class BadUbjson(ValueError):
    """Not the UBJSON that was expected; the message says what and where."""


def decode(raw: bytes) -> Any:
    """The value that fills all of `raw`. Raises BadUbjson."""
    reader = _Reader(raw)
    try:
        value = reader.value(reader.marker(), 0)
    except (struct.error, UnicodeDecodeError) as error:
        raise BadUbjson(f"{error} near byte {reader.position}") from None
    if reader.position != len(raw):
        raise BadUbjson(f"extra bytes after byte {reader.position}")
    return value


def member(raw: bytes, key: str) -> bytes:
    """The bytes of one member of an object, itself a document. Raises BadUbjson, KeyError where there is none."""
    reader = _Reader(raw)
    try:
        if reader.marker() != "{":
            raise BadUbjson("it is no object")
        places = reader.places()
    except (struct.error, UnicodeDecodeError) as error:
        raise BadUbjson(f"{error} near byte {reader.position}") from None
    start, end = places[key]
    return raw[start:end]


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.position = 0

    def marker(self) -> str:
        return chr(self._take(1)[0])

    def value(self, marker: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise BadUbjson(f"nested more than {MAX_DEPTH} deep")
        if marker in _NUMBERS:
            return self._array(marker, 1)[0].item()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        match marker:
            case "S":
                return self._string()
            case "C":
                return self.marker()
            case "[":
                return self._list(depth)
            case "{":
                return self._object(depth)
        raise BadUbjson(f"unknown type {marker!r} at byte {self.position - 1}")

    def places(self) -> dict[str, tuple[int, int]]:
        """The members of the object that begins here, and where the bytes of each stand."""
        found: dict[str, tuple[int, int]] = {}
        while not self._peek("}"):
            key, start = self._string(), self.position
            self.value(self.marker(), 1)
            found[key] = (start, self.position)
        return found

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._raw) - self.position:
            raise BadUbjson(f"it ends early, or has a wrong length, at byte {self.position}")
        self.position += count
        return self._raw[self.position - count : self.position]

    def _length(self) -> int:
        marker = self.marker()
        if marker not in "iUIlL":
            raise BadUbjson(f"a length of type {marker!r} at byte {self.position - 1}")
        return int(self._array(marker, 1)[0])

    def _string(self) -> str:
        return self._take(self._length()).decode()

    def _array(self, marker: str, count: int) -> Any:
        dtype = np.dtype(_NUMBERS[marker])
        if count < 0:
            raise BadUbjson(f"a negative length at byte {self.position}")
        return np.frombuffer(self._take(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))

    def _peek(self, marker: str) -> bool:
        found = self._raw[self.position : self.position + 1] == marker.encode()
        self.position += found
        return found

    def _list(self, depth: int) -> Any:
        if self._peek("$"):
            marker = self.marker()
            if marker not in _NUMBERS or not self._peek("#"):
                raise BadUbjson(f"a typed list of {marker!r} at byte {self.position}")
            return self._array(marker, self._length())
        if self._peek("#"):
            return [self.value(self.marker(), depth + 1) for _ in range(self._length())]
        items = []
        while not self._peek("]"):
            items.append(self.value(self.marker(), depth + 1))
        return items

    def _object(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        count = self._length() if self._peek("#") else None
        while len(members) != count if count is not None else not self._peek("}"):
            key = self._string()
            if key in members:
                raise BadUbjson(f"the key {key!r} twice")
            members[key] = self.value(self.marker(), depth + 1)
        return members
