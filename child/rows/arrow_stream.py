"""Arrow IPC streams: record batches one after the other, without the list at the end that a file has. Used in children,
and only for such a table: see `arrow_file`.

Scanning reads the head of every message and skips its body. A chunk's child reads the batches in which its rows are,
whole, so they have a limit; and the dictionaries before them. Streams older than Arrow 0.15 are not read.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from child.parts import Source
from child.rows.arrow_file import Column, Failures, pyarrow, tabled, touched
from child.rows.table import Rows, Table
from child.rows.words import Words
from jobs.formats import DataFormat
from jobs.planner import MAX_CHUNKS
from jobs.records import Layout
from jobs.spans import Span

MARKER = 0xFFFFFFFF
SCHEMA, DICTIONARY, BATCH = 1, 2, 3
MOST_HEAD_BYTES = 16 * 1024 * 1024
MOST_BATCH_BYTES = 32 * 1024 * 1024
MOST_BATCH_ROWS = 2**31 - 1
"""More than anybody reads at once; a damaged head may say anything."""
WAY_OUT = "in pyarrow: writer.write_table(table, max_chunksize=10_000); or send Parquet"


class Message(NamedTuple):
    """Where it is, and how many rows it has if it is a record batch."""

    kind: int
    start: int
    length: int
    rows: int


def scan(source: Source, per_chunk: int, _: Sequence[str] | None = None) -> Table:
    """Columns and spans; the detail says where which message is. Raises BadTable and UnsupportedMediaType."""
    with Failures(source, DataFormat.ARROW_STREAM):
        found = list(_messages(source))
        if not found or found[0].kind != SCHEMA:
            raise ValueError("it does not begin with a schema")
        batches = [message for message in found if message.kind == BATCH]
        _check(batches, sum(message.length for message in found if message.kind == DICTIONARY))
        schema = pyarrow().ipc.read_schema(pyarrow().py_buffer(_raw(source, found[0].start, found[0].length)))
        table = tabled(source, DataFormat.ARROW_STREAM, schema, [batch.rows for batch in batches], per_chunk)
        table.detail["batches"] = [(batch.start, batch.length) for batch in batches]
        table.detail["before"] = [(other.start, other.length) for other in found if other.kind != BATCH]
        return table


def read(source: Source, span: Span, layout: Layout, words: Mapping[int, Words]) -> Rows:
    """(span.rows, features), a record batch at a time. Raises BadTable and NotNumeric."""
    rows = np.empty((span.rows, len(layout.features)))
    order = layout.order or list(range(len(layout.columns)))
    columns = [Column(name, words.get(place), source.field) for place, name in enumerate(layout.features)]
    numbers, skip = touched(layout.detail["ends"], span)
    done, wanted = 0, sorted(set(order))
    with Failures(source, DataFormat.ARROW_STREAM):
        for number in numbers:
            batch = _batch(source, layout, number, wanted)[skip : skip + span.rows - done]
            for place, own in enumerate(columns):
                cells = batch.column(wanted.index(order[place]))
                rows[done : done + len(batch), place] = own.numbers(cells, span.first + done)
            done, skip = done + len(batch), 0
    return rows


def _batch(source: Source, layout: Layout, number: int, wanted: list[int]) -> Any:
    """One record batch, read as a stream of its own: after the schema and the dictionaries before it."""
    pa = pyarrow()
    start, length = layout.detail["batches"][number]
    before = [place for place in layout.detail["before"] if place[0] < start]
    raw = b"".join(_raw(source, *place) for place in [*before, (start, length)])
    options = pa.ipc.IpcReadOptions(included_fields=wanted, use_threads=False)
    return pa.ipc.open_stream(pa.py_buffer(raw), options=options).read_next_batch()


def _check(batches: list[Message], dictionary_bytes: int) -> None:
    if len(batches) > MAX_CHUNKS:
        raise ValueError(f"it has {len(batches)} record batches, over the {MAX_CHUNKS} allowed ({WAY_OUT})")
    largest = max((batch.length for batch in batches), default=0)
    for what, size in (("a record batch takes", largest), ("its dictionaries take", dictionary_bytes)):
        if size > MOST_BATCH_BYTES:
            raise ValueError(f"{what} {size} bytes, over the {MOST_BATCH_BYTES} that are read at once ({WAY_OUT})")


def _messages(source: Source) -> Iterator[Message]:
    """Each message up to the end, by its head. Raises ValueError for what is none."""
    at, head_bytes = 0, 8
    while at + head_bytes <= source.size:
        marker, length = struct.unpack("<II", _raw(source, at, head_bytes))
        if marker != MARKER or length > MOST_HEAD_BYTES:
            raise ValueError(f"there is no message at byte {at}")
        if not length:
            return
        kind, body, rows = _head(_raw(source, at + head_bytes, length))
        whole = head_bytes + length + body
        if body < 0 or rows < 0 or at + whole > source.size:
            raise ValueError(f"it is truncated at byte {at}")
        if rows > MOST_BATCH_ROWS:
            raise ValueError(f"a record batch says at byte {at} that it has {rows} rows")
        yield Message(kind, at, whole, rows)
        at += whole


def _head(raw: bytes) -> tuple[int, int, int]:
    """Of a message's flatbuffer: its kind, the length of its body, and a record batch's rows. Raises ValueError."""
    try:
        (root,) = struct.unpack_from("<I", raw)
        kind, body = _member(raw, root, 1, "<B"), _member(raw, root, 3, "<q")
        if kind != BATCH:
            return kind, body, 0
        at = _place(raw, root, 2)
        return kind, body, _member(raw, at + struct.unpack_from("<I", raw, at)[0], 0, "<q")
    except struct.error:
        raise ValueError("a message's head is not whole") from None


def _member(raw: bytes, table: int, number: int, kind: str) -> int:
    """A number in a table of a flatbuffer; 0 where it was left out."""
    at = _place(raw, table, number)
    return int(struct.unpack_from(kind, raw, at)[0]) if at else 0


def _place(raw: bytes, table: int, number: int) -> int:
    vtable = table - int(struct.unpack_from("<i", raw, table)[0])
    if vtable < 0 or 4 + 2 * number >= struct.unpack_from("<H", raw, vtable)[0]:
        return 0
    offset = int(struct.unpack_from("<H", raw, vtable + 4 + 2 * number)[0])
    return table + offset if offset else 0


def _raw(source: Source, start: int, length: int) -> bytes:
    source.file.seek(start)
    return source.file.read(length)
