"""A data frame as an Arrow IPC stream, a record batch at a time: what holds text, where pyarrow is at hand.

Runs in the caller's process, and imports pyarrow only where it is installed. The service reads Arrow only with its
extra `tables`; for those without it the same rows go as CSV (`Part.plain`).
"""

import io
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from shap_supervisor import npy

CELL_BYTES = 32
"""Allowed for a cell."""
TEXT = ("String", "Categorical", "Enum", "Boolean")


def can_send(frame: Any) -> bool:
    """Whether it means the same as it does as CSV: numbers, text, categories and truth values."""
    kinds = frame.schema.values()
    suits = all(kind.is_integer() or kind.is_float() or str(kind).startswith(TEXT) for kind in kinds)
    return suits and find_spec("pyarrow") is not None


def stream(frame: Any, names: list[str]) -> Iterator[bytes]:
    """Of a narwhals frame. Categories are sent as what they stand for, as each batch may count them anew."""
    import pyarrow as pa

    out, schema = io.BytesIO(), _schema(frame, names)
    with pa.ipc.new_stream(out, schema) as writer:
        for block in npy.blocks(len(frame), len(names) * CELL_BYTES):
            table = frame[block].to_arrow().select(range(len(names))).rename_columns(names)
            writer.write_table(table.cast(schema))
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def _schema(frame: Any, names: list[str]) -> Any:
    """Without dictionaries, and without what pandas notes of itself."""
    import pyarrow as pa

    kinds = (field.type for field in frame[:0].to_arrow().schema)
    plain = (kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds)
    text = pa.large_string()  # that no row holds, of pandas's objects
    return pa.schema(
        [(name, text if pa.types.is_null(kind) else kind) for name, kind in zip(names, plain, strict=False)]
    )
