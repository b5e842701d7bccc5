"""Where the numbers stand in Thrift's compact protocol, in which Parquet writes its metadata. Pure.

Format: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. Does not know what they mean:
see `binary_tables`.
"""

from typing import NamedTuple

_LONGEST = 10
_TRUE, _FALSE, _BYTE, _SHORT, _LONG, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12
_DOUBLE_BYTES = 8


class Place(NamedTuple):
    """A number, or a length; `depth` counts the structures around it."""

    start: int
    end: int
    depth: int
    number: int


def places(raw: bytes | bytearray, start: int) -> tuple[list[Place], int]:
    """Of the structure that begins there, and where it ends. Raises IndexError and ValueError for what is none."""
    reader = _Reader(raw, start)
    reader.structure()
    return reader.found, reader.at


def varint(number: int, size: int = 0) -> bytes:
    """Of the lower 64 bits, in at least `size` bytes."""
    left, found = number % 2**64, bytearray()
    while left > 127 or len(found) + 1 < size:
        found.append(left & 127 | 128)
        left >>= 7
    return bytes([*found, left])


def zigzag(number: int) -> int:
    """As signed numbers are written."""
    return (number << 1) ^ (number >> 63)


class _Reader:
    def __init__(self, raw: bytes | bytearray, at: int) -> None:
        self.found: list[Place] = []
        self.at = at
        self._raw = raw
        self._depth = 0

    def structure(self) -> None:
        self._depth += 1
        while head := self._byte():
            if not head >> 4:
                self._number()
            self._value(head & 15)
        self._depth -= 1

    def _byte(self) -> int:
        self.at += 1
        return self._raw[self.at - 1]

    def _number(self) -> int:
        start, number = self.at, 0
        for place in range(_LONGEST):
            byte = self._byte()
            number |= (byte & 127) << (7 * place)
            if byte < 128:
                self.found.append(Place(start, self.at, self._depth, number))
                return number
        raise ValueError(start)

    def _value(self, kind: int, *, listed: bool = False) -> None:
        if kind in (_TRUE, _FALSE):
            self.at += listed
        elif kind == _BYTE:
            self.at += 1
        elif _SHORT <= kind <= _LONG:
            self._number()
        elif kind == _DOUBLE:
            self.at += _DOUBLE_BYTES
        elif kind == _BINARY:
            length = self._number()
            self.at += length
        elif kind in (_LIST, _SET):
            self._several()
        elif kind == _STRUCT:
            self.structure()
        else:  # a map: Parquet has none
            raise ValueError(kind)

    def _several(self) -> None:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._number()
        for _ in range(count):
            self._value(head & 15, listed=True)
