"""Writes what JSON can say as UBJSON, as XGBoost does: arrays of numbers of one kind are typed. Pure.

Format: https://ubjson.org/type-reference/. Numbers too large for 64 bits become floats.
"""

import struct
from typing import Any

_INTEGERS = (("i", ">b"), ("U", ">B"), ("I", ">h"), ("l", ">i"), ("L", ">q"))


def encode(value: Any) -> bytes:
    """With its marker."""
    match value:
        case None:
            return b"Z"
        case bool():
            return b"T" if value else b"F"
        case int():
            return _integer(value)
        case float():
            return b"D" + struct.pack(">d", value)
        case str():
            return b"S" + _text(value)
        case list():
            return _array(value)
        case dict():
            return b"{" + b"".join(_text(str(key)) + encode(inner) for key, inner in value.items()) + b"}"
    raise TypeError(type(value).__name__)


def _integer(value: int) -> bytes:
    for marker, layout in _INTEGERS:
        try:
            return marker.encode() + struct.pack(layout, value)
        except struct.error:
            continue
    return b"D" + struct.pack(">d", float(value))


def _text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"L" + struct.pack(">q", len(raw)) + raw


def _array(values: list[Any]) -> bytes:
    count = b"#L" + struct.pack(">q", len(values))
    if values and all(type(value) is float for value in values):
        return b"[$D" + count + struct.pack(f">{len(values)}d", *values)
    if values and all(type(value) is int and -(2**31) <= value < 2**31 for value in values):
        return b"[$l" + count + struct.pack(f">{len(values)}i", *values)
    return b"[" + b"".join(map(encode, values)) + b"]"
