"""An ensemble of trees as a file, so that a model is read once and explained by many processes.

Written by the process that has read the model, mapped read-only by every template that explains it and shared by
their children. Does not read models: see `child.models`.

The file: MAGIC, the length of the head (4 bytes, little-endian), the head in MessagePack, and from the next multiple of
ALIGNMENT bytes on the arrays in C order and the machine's byte order, each at such a multiple.
"""

import mmap
import os
import struct
from dataclasses import fields
from math import prod
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shaptrees.arrays import Trees
from shaptrees.ensemble import About, Ensemble
from shaptrees.errors import UnreadableModel
from shaptrees.rules import Link

FORMAT = "tree arrays"
MAGIC = b"shap-supervisor trees 3\n"
"""With the version: the number changes whenever what follows does."""
ALIGNMENT = 64
MAX_HEAD_BYTES = 1 << 28
"""A head has names and the places of arrays; this is a hundred times of what a wide model needs."""
_LENGTH = struct.Struct("<I")
_SCALARS = ("features", "strict", "float32", "complement", "link")
_ARRAYS = tuple(field.name for field in fields(Trees) if field.name not in (*_SCALARS, "categories"))


class _Array(msgspec.Struct, array_like=True):
    dtype: str
    shape: list[int]
    offset: int
    """From the first array on."""


class _Head(msgspec.Struct):
    about: About
    expected: list[float]
    scalars: dict[str, int]
    arrays: dict[str, _Array]
    categories: dict[int, _Array]
    size: int
    """Bytes of all arrays, with what lies between them."""


def write(ensemble: Ensemble, path: str | Path | int) -> None:
    """The whole file, flushed; a descriptor is closed. Nothing is left of a path's file when that fails."""
    trees = ensemble.trees
    arrays = [*(getattr(trees, name) for name in _ARRAYS), *trees.categories.values()]
    places, end = _places(arrays)
    head = _head(ensemble, places, end)
    start = _aligned(len(MAGIC) + _LENGTH.size + len(head))
    try:
        with open(path, "wb") as file:
            file.write(MAGIC + _LENGTH.pack(len(head)) + head)
            for array, place in zip(arrays, places, strict=True):
                file.seek(start + place.offset)
                file.write(array.data.cast("B") if array.size else b"")
            file.truncate(start + end)
    except BaseException:
        if not isinstance(path, int):
            Path(path).unlink(missing_ok=True)
        raise


def read(path: str | Path | int) -> Ensemble:
    """Map a file, or that of a descriptor, which is closed; every index in it is checked before anyone follows it.

    Raises UnreadableModel for another file.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < len(MAGIC) + _LENGTH.size:
            raise UnreadableModel(FORMAT, "the file is too short")
        content = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    head, data = _read_head(content)
    found = {name: _array(data, place) for name, place in head.arrays.items()}
    if set(found) != set(_ARRAYS) or set(head.scalars) != set(_SCALARS):
        raise UnreadableModel(FORMAT, "it does not have the arrays of this version")
    categories = {feature: _array(data, place) for feature, place in head.categories.items()}
    trees = Trees(**found, categories=categories, **_scalars(head.scalars))
    if len(head.expected) != trees.outputs or not np.isfinite(head.expected).all():
        raise UnreadableModel(FORMAT, "its expected value is not one for each output")
    return Ensemble(about=head.about, trees=trees, expected=np.array(head.expected))


def _head(ensemble: Ensemble, places: list[_Array], size: int) -> bytes:
    count = len(_ARRAYS)
    return msgspec.msgpack.encode(
        _Head(
            about=ensemble.about,
            expected=ensemble.expected_value.tolist(),
            scalars={name: int(getattr(ensemble.trees, name)) for name in _SCALARS},
            arrays=dict(zip(_ARRAYS, places[:count], strict=True)),
            categories=dict(zip(ensemble.trees.categories, places[count:], strict=True)),
            size=size,
        )
    )


def _places(arrays: list[Any]) -> tuple[list[_Array], int]:
    """Where each array goes, and where the last one ends."""
    places, offset = [], 0
    for array in arrays:
        places.append(_Array(array.dtype.str, list(array.shape), offset))
        offset = _aligned(offset + array.nbytes)
    return places, offset


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _read_head(content: mmap.mmap) -> tuple[_Head, memoryview]:
    """The head, and the bytes of the arrays."""
    start = len(MAGIC) + _LENGTH.size
    if content[: len(MAGIC)] != MAGIC:
        raise UnreadableModel(FORMAT, "it is another kind of file, or of another version")
    (length,) = _LENGTH.unpack(content[len(MAGIC) : start])
    try:
        head = msgspec.msgpack.decode(content[start : start + min(length, MAX_HEAD_BYTES)], type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableModel(FORMAT, str(error)) from None
    data = memoryview(content)[_aligned(start + length) :]
    if len(data) != head.size:
        raise UnreadableModel(FORMAT, f"its arrays have {len(data)} bytes instead of {head.size}")
    return head, data


def _array(data: memoryview, place: _Array) -> Any:
    try:
        dtype, count = np.dtype(place.dtype), prod(place.shape)
        if dtype.kind not in "iuf" or min([place.offset, *place.shape]) < 0 or place.offset % ALIGNMENT:
            raise ValueError(f"an array of {place.dtype} at byte {place.offset}")
        if place.offset + count * dtype.itemsize > len(data):
            raise ValueError("an array ends after the file")
        found = np.frombuffer(data, dtype, count, place.offset) if count else np.empty(0, dtype)
        return found.reshape(place.shape)
    except (TypeError, ValueError) as error:
        raise UnreadableModel(FORMAT, str(error)) from None


def _scalars(scalars: dict[str, int]) -> dict[str, Any]:
    if scalars["link"] not in list(Link):
        raise UnreadableModel(FORMAT, f"link {scalars['link']}")
    flags = {name: bool(scalars[name]) for name in ("strict", "float32", "complement")}
    return {**flags, "features": scalars["features"], "link": Link(scalars["link"])}
