"""CSV with a header, in UTF-8: lines found by their breaks, quoted ones left alone. Used in children.

Blank lines are no rows. Does not cover what separates cells (see `dialect`), whether the first line is a header (see
`layout`, as that shows when the model's names are known), nor what a cell means: see `cells`.
"""

import codecs
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from child.parts import Source
from child.rows import cells
from child.rows.cutter import Cutter
from child.rows.dialect import SEPARATORS, Dialect, look, preamble
from child.rows.table import Rows, Table
from child.rows.words import Words
from jobs.errors import BadHeader, NoRows, NotUtf8
from jobs.formats import DataFormat
from jobs.protocol import PIECE_BYTES
from jobs.records import Layout
from jobs.spans import Span
from jobs.warnings import JobWarning, warning

MAX_HEADER_BYTES = 4 * 1024 * 1024
NEWLINE, RETURN, QUOTE = b'\n\r"'
Offsets = npt.NDArray[np.int64]


def scan(source: Source, per_chunk: int, _: Sequence[str] | None = None) -> Table:
    """Columns and spans; the detail says how cells are separated. Raises NotUtf8, BadHeader, NoRows."""
    source.file.seek(0)
    head = source.file.read(PIECE_BYTES)
    bom = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    skipped, commented = preamble(head[bom:].decode("latin-1"))  # a character a byte
    begin = bom + skipped
    found = look(head[begin:].decode("latin-1"))
    start, end = next(lines(source.file, begin, source.size), (np.zeros(0, np.int64),) * 2)
    if not len(start):
        raise NoRows(field=source.field)
    if commented is None:
        columns, begin = _header(source, int(start[0]), int(end[0]), found), int(end[0])
    else:
        columns = found.split(_decode(commented.encode("latin-1"), 0, source.field))[0]
    cutter = Cutter(per_chunk)
    for starts, __ in lines(source.file, begin, source.size):
        cutter.add(starts)
    return Table(
        format=DataFormat.CSV,
        columns=columns,
        width=len(columns),
        spans=cutter.spans(source.size),
        detail={} if found == Dialect() else found._asdict(),
        first_line=commented is None,
        warnings=_guesses(found, skipped, commented),
    )


def read(source: Source, span: Span, layout: Layout, words: Mapping[int, Words]) -> Rows:
    """(span.rows, features). Raises NotUtf8, RaggedRow, NotNumeric."""
    start, end = _locate(source.file, span)
    source.file.seek(start)
    raw = source.file.read(end - start)
    dialect = Dialect(**layout.detail)
    as_text = any(own.as_text for own in words.values())
    parsed = (None if as_text else _quick(raw, dialect)) or _careful(_decode(raw, start, source.field), dialect)
    if len(parsed) != span.rows:
        raise BadHeader(field=source.field, reason=f"a quote is not closed near row {span.first}")
    picked = cells.pick(parsed, span.first, layout, source.field)
    return cells.numbers(picked, span.first, layout.features, source.field, plain=cells.is_plain(raw), words=words)


def _guesses(found: Dialect, skipped: int, commented: str | None) -> list[JobWarning]:
    """What was decided by the file's look."""
    said = []
    if found.separator != ",":
        comma = " and its numbers with a decimal comma" if found.decimal == "," else ""
        said.append(
            warning("csv_dialect", f"The CSV was read with {SEPARATORS[found.separator]} between cells{comma}.")
        )
    if commented is not None:
        said.append(
            warning(
                "commented_header",
                "The line that begins with # was taken for the header, as it names "
                "each column of the numbers below it.",
            )
        )
    elif skipped:
        said.append(warning("comment_lines", "Lines before the header, that begin with # or say sep=, were skipped."))
    return said


def _quick(raw: bytes, dialect: Dialect) -> list[list[Any]] | None:
    """The rows of a file that holds nothing but plain numbers, which is as good as JSON and read as such: four times
    faster than splitting and converting. None for any other: an empty cell, a name, a quote, a blank line.
    """
    if b"[" in raw or b"{" in raw or b'"' in raw:
        return None
    if dialect.separator != ",":
        if (b"." if dialect.decimal == "," else b",") in raw:
            return None
        raw = raw.replace(b",", b".").replace(dialect.separator.encode(), b",")
    body = raw.strip(b"\r\n").replace(b"\r\n", b"\n").replace(b"\n", b"],[")
    try:
        rows: list[list[Any]] = msgspec.json.decode(b"[[" + body + b"]]")
    except msgspec.DecodeError:
        return None
    return rows if all(rows) else None


def _careful(text: str, dialect: Dialect) -> list[list[str]]:
    rows = dialect.split(text.replace("\r\n", "\n"))
    if dialect.decimal == ",":
        return [[dialect.number(cell) for cell in row] for row in rows]
    return rows


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


def _header(source: Source, start: int, end: int, dialect: Dialect) -> list[str]:
    if end - start > MAX_HEADER_BYTES:
        raise BadHeader(field=source.field, reason=f"the first line is longer than {MAX_HEADER_BYTES} bytes")
    source.file.seek(start)
    text = _decode(source.file.read(end - start), start, source.field).removesuffix("\r")
    if "\r" in text:
        raise BadHeader(field=source.field, reason="its lines end with a lone carriage return; end them with \\n")
    return next(iter(dialect.split(text)), [])


def _decode(raw: bytes, start: int, field: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8(field=field, position=start + error.start) from None
