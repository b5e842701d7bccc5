"""CSV with a header, in UTF-8: lines found by their breaks, quoted ones left alone. Used in children.

Commas only. Blank lines are no rows. Does not cover what a cell means: see `cells`.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from child.parts import Source
from child.rows import cells
from child.rows.cutter import Cutter
from child.rows.table import Rows, Table
from jobs.errors import BadHeader, NoHeader, NoRows, NotUtf8
from jobs.formats import DataFormat
from jobs.protocol import PIECE_BYTES
from jobs.records import Layout
from jobs.spans import Span

MAX_HEADER_BYTES = 4 * 1024 * 1024
NEWLINE, RETURN, QUOTE = b'\n\r"'
Offsets = npt.NDArray[np.int64]


def scan(source: Source, per_chunk: int) -> Table:
    """Columns and spans. Raises NotUtf8, NoHeader, BadHeader, NoRows."""
    start, end = next(lines(source.file, 0, source.size), (np.zeros(0, np.int64),) * 2)
    if not len(start):
        raise NoRows(field=source.field)
    columns = _header(source, int(start[0]), int(end[0]))
    cutter = Cutter(per_chunk)
    for starts, _ in lines(source.file, int(end[0]), source.size):
        cutter.add(starts)
    return Table(format=DataFormat.CSV, columns=columns, width=len(columns), spans=cutter.spans(source.size))


def read(source: Source, span: Span, layout: Layout) -> Rows:
    """(span.rows, columns). Raises NotUtf8, RaggedRow, NotNumeric."""
    start, end = _locate(source.file, span)
    source.file.seek(start)
    raw = source.file.read(end - start)
    parsed = _quick(raw) or _careful(_decode(raw, start, source.field))
    if len(parsed) != span.rows:
        raise BadHeader(field=source.field, reason=f"a quote is not closed near row {span.first}")
    return cells.numbers(parsed, span.first, layout.columns, source.field, plain=cells.is_plain(raw))


def _quick(raw: bytes) -> list[list[Any]] | None:
    """The rows of a file that holds nothing but plain numbers, which is as good as JSON and read as such: four times
    faster than splitting and converting. None for any other: an empty cell, a name, a quote, a blank line.
    """
    if b"[" in raw or b"{" in raw or b'"' in raw:
        return None
    body = raw.strip(b"\r\n").replace(b"\r\n", b"\n").replace(b"\n", b"],[")
    try:
        rows: list[list[Any]] = msgspec.json.decode(b"[[" + body + b"]]")
    except msgspec.DecodeError:
        return None
    return rows if all(rows) else None


def _careful(text: str) -> list[list[str]]:
    text = text.replace("\r\n", "\n")
    if '"' in text:
        return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    return [line.split(",") for line in text.split("\n") if line]


def lines(file: BinaryIO, start: int, end: int) -> Iterator[tuple[Offsets, Offsets]]:
    """Where the lines between two bytes begin and end (at their break), piece by piece; blank lines left out.

    A line break between quotes belongs to its cell. Quotes are counted, as a doubled quote counts twice, so a lone
    quote in an unquoted cell joins its line to the next: `read` then finds a cell that is no number.
    """
    file.seek(start)
    line, position, quoted, before = start, start, False, b"\n"
    while piece := file.read(min(PIECE_BYTES, end - position)):
        data = np.frombuffer(before + piece, np.uint8)
        breaks, quoted = _breaks(data[1:], quoted)
        ends = breaks + position
        starts = np.concatenate(([line], ends[:-1] + 1)) if len(ends) else ends
        blank = (ends == starts) | ((ends == starts + 1) & (data[breaks] == RETURN))
        if len(ends):
            line = int(ends[-1]) + 1
            yield starts[~blank], ends[~blank]
        position += len(piece)
        before = piece[-1:]
    if end > line and not (end == line + 1 and before == b"\r"):
        yield np.array([line], np.int64), np.array([end], np.int64)


def _breaks(data: npt.NDArray[np.uint8], quoted: bool) -> tuple[Offsets, bool]:
    """The positions of line breaks outside quotes, and whether the piece ends inside quotes."""
    breaks = np.flatnonzero(data == NEWLINE)
    quotes = np.flatnonzero(data == QUOTE)
    if quoted or len(quotes):
        breaks = breaks[(np.searchsorted(quotes, breaks) + quoted) % 2 == 0]
    return breaks, bool((len(quotes) + quoted) % 2)


def _locate(file: BinaryIO, span: Span) -> tuple[int, int]:
    """The bytes of the span's own rows: a halved span shares its bytes with its other half."""
    start, row = -1, span.span_first
    for starts, ends in lines(file, span.start, span.end):
        if start < 0 and span.first < row + len(starts):
            start = int(starts[span.first - row])
        if span.last < row + len(starts):
            return start, int(ends[span.last - row])
        row += len(starts)
    return max(start, span.start), span.end


def _header(source: Source, start: int, end: int) -> list[str]:
    if end - start > MAX_HEADER_BYTES:
        raise BadHeader(field=source.field, reason=f"the first line is longer than {MAX_HEADER_BYTES} bytes")
    source.file.seek(start)
    raw = source.file.read(end - start)
    text = _decode(raw.removeprefix(codecs.BOM_UTF8), start, source.field).removesuffix("\r")
    if "\r" in text:
        raise BadHeader(field=source.field, reason="its lines end with a lone carriage return; end them with \\n")
    names = [name.strip() for name in next(csv.reader(io.StringIO(text, newline="")), [])]
    if names and all(_is_digits(name) for name in names):
        raise NoHeader(field=source.field, line=text[: cells.SHOWN_CHARS])
    return cells.check_names(names, source.field)


def _is_digits(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _decode(raw: bytes, start: int, field: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8(field=field, position=start + error.start) from None
