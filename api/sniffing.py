"""Judges a part by its first bytes, while it is still being uploaded. Pure; used in the web process.

Refuses early what no child could read. Does not read rows or models: what passes here may still be refused there.
"""

import json
from importlib.util import find_spec
from typing import Protocol

import msgspec

from api import npy
from jobs.errors import BadNpy, EmptyPart, MalformedJson, PickleRefused, TooLarge, UnsupportedMediaType
from jobs.formats import (
    DATA_FORMATS,
    MODEL_FORMATS,
    PLAIN_FORMATS,
    SNIFF_BYTES,
    DataFormat,
    ModelFormat,
    are_json_lines,
    sniff_data,
    sniff_model,
)
from jobs.protocol import PIECE_BYTES

MAX_EXPECTED_BYTES = 1024 * 1024
PREDICTIONS = "numbers as NPY, CSV or JSON"


class Sniffer(Protocol):
    """Sees a part's bytes as they pass."""

    def feed(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class ModelSniffer:
    """Raises EmptyPart, PickleRefused, UnsupportedMediaType."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._head = b""
        self._settled = False

    def feed(self, data: bytes) -> None:
        if not self._settled:
            self._head += data[: SNIFF_BYTES - len(self._head)]
            if len(self._head) >= SNIFF_BYTES:
                self._judge()

    def close(self) -> None:
        if not self._head:
            raise EmptyPart(field=self._field)
        if not self._settled:
            self._judge()

    def _judge(self) -> None:
        self._settled = True
        found = sniff_model(self._head)
        if found is ModelFormat.PICKLE:
            raise PickleRefused(field=self._field, supported=MODEL_FORMATS)
        if not isinstance(found, ModelFormat):
            raise UnsupportedMediaType(field=self._field, found=found, supported=MODEL_FORMATS)


class DataSniffer:
    """Raises EmptyPart, UnsupportedMediaType, BadNpy, NoRows, MalformedJson."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._head = bytearray()
        self._size = 0
        self._format: DataFormat | None = None
        self._npy: npy.Header | None = None

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        room = PIECE_BYTES - len(self._head)
        if room <= 0:
            return
        self._head += data[:room]
        if self._format is None and len(self._head) >= SNIFF_BYTES:
            self._recognise()

    def close(self) -> None:
        if not self._size or (self._size == len(self._head) and not self._head.strip()):
            raise EmptyPart(field=self._field)
        if self._format is None:
            self._recognise()
        if self._format is DataFormat.JSON and self._size == len(self._head):
            _check_json(bytes(self._head), self._field)
        if self._npy and self._size < self._npy.file_bytes:
            reason = f"the file is truncated: {self._size} bytes instead of {self._npy.file_bytes}"
            raise BadNpy(field=self._field, reason=reason)

    def _recognise(self) -> None:
        found = sniff_data(bytes(self._head[:SNIFF_BYTES]))
        if not isinstance(found, DataFormat):
            raise UnsupportedMediaType(field=self._field, found=found, supported=DATA_FORMATS)
        if found.module and not find_spec(found.module):
            raise UnsupportedMediaType(field=self._field, found=found.missing, supported=PLAIN_FORMATS)
        self._format = found
        if found is DataFormat.NPY:
            self._npy = npy.read_header(bytes(self._head[:SNIFF_BYTES]), self._field)


class ExpectedSniffer:
    """Raises EmptyPart, UnsupportedMediaType, TooLarge: predictions are read whole by one child."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._head = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_EXPECTED_BYTES:
            way_out = "Send the predictions of the first rows only; a hundred are enough."
            raise TooLarge(field=self._field, limit_bytes=MAX_EXPECTED_BYTES, way_out=way_out)
        self._head += data[: SNIFF_BYTES - len(self._head)]

    def close(self) -> None:
        if not self._head.strip():
            raise EmptyPart(field=self._field)
        found = sniff_data(bytes(self._head))
        if not isinstance(found, DataFormat) or found.module:
            named = found.label if isinstance(found, DataFormat) else found
            raise UnsupportedMediaType(field=self._field, found=named, supported=PREDICTIONS)


def _check_json(raw: bytes, field: str) -> None:
    """Quickly; and once more with the standard library, which takes Python's NaN as children do."""
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        for text in raw.splitlines() if are_json_lines(raw) else [raw]:
            _check_json_carefully(text, field)


def _check_json_carefully(raw: bytes, field: str) -> None:
    try:
        json.loads(raw.decode("utf-8-sig") or "null")
    except (ValueError, RecursionError) as error:
        raise MalformedJson(field=field, reason=str(error)) from None
