"""Writes what JSON can say as UBJSON, as XGBoost does: its arrays of numbers are typed, those of others are not.

Format: https://ubjson.org/type-reference/. Numbers too large for 64 bits become floats.
"""

import struct
from typing import Any

_INTEGERS = (("i", ">b"), ("U", ">B"), ("I", ">h"), ("l", ">i"), ("L", ">q"))
_FLOATS, _INTS, _LONGS, _BYTES = ((float, "f"), (float, "d")), ((int, "i"), (int, "q")), ((int, "q"),), ((int, "B"),)
_MARKERS = {"f": b"d", "d": b"D", "i": b"l", "q": b"L", "B": b"U"}
_TYPED = {
    **dict.fromkeys(("base_weights", "loss_changes", "split_conditions", "sum_hessian"), _FLOATS),
    **dict.fromkeys(("left_children", "right_children", "parents", "split_indices"), _INTS),
    **dict.fromkeys(("categories", "categories_nodes", "feature_segments", "sorted_idx"), _INTS),
    **dict.fromkeys(("categories_segments", "categories_sizes"), _LONGS),
    **dict.fromkeys(("default_left", "split_type"), _BYTES),
}
"""XGBoost's arrays and their types, the wider one where a number has outgrown the first."""


def encode(value: Any, name: str = "") -> bytes:
    """With its marker; `name` is what its object calls it."""
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
            return _array(value, name)
        case dict():
            return b"{" + b"".join(_text(str(key)) + encode(inner, key) for key, inner in value.items()) + b"}"
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


def _array(values: list[Any], name: str) -> bytes:
    for kind, layout in _TYPED.get(name, ()):
        if all(type(value) is kind for value in values):
            try:
                numbers = struct.pack(f">{len(values)}{layout}", *values)
            except (struct.error, OverflowError):
                continue
            return b"[$" + _MARKERS[layout] + b"#L" + struct.pack(">q", len(values)) + numbers
    return b"[" + b"".join(encode(value) for value in values) + b"]"
