"""JSON tables: lists of rows or records, found by their brackets while the file streams past. Used in children.

Three shapes: {"columns": [...], "data": [...]} in either order, a list of records, a list of lists. Scanning checks
what stands between the rows; what stands inside a row is checked when its span is read.
"""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import msgspec

from child.parts import Source
from child.rows import cells
from child.rows.cutter import Cutter
from jobs.errors import BadHeader, BadRecord, MalformedJson, NoRows, NoTable, NotUtf8, RaggedRow
from jobs.protocol import PIECE_BYTES
from jobs.records import Layout
from jobs.spans import Span, Spans

if TYPE_CHECKING:
    from child.rows import Rows

MAX_GAP_BYTES = 8 * 1024 * 1024
"""The longest stretch without a bracket: a row of some 400,000 numbers."""
MAX_DEPTH = 64
_TO_BRACKET = re.compile(rb'((?:[^"\[\]{}]++|"(?:[^"\\]|\\.)*+")*+)([\[\]{}])', re.DOTALL)
_KEY = re.compile(rb'("(?:[^"\\]|\\.)*+")\s*:\s*\Z', re.DOTALL)
_BETWEEN = re.compile(rb"\s*,\s*\Z")
_CLOSES = {ord("]"): ord("["), ord("}"): ord("{")}
_BOM = b"\xef\xbb\xbf"


class Bracket(NamedTuple):
    """One bracket outside strings: what stands before it, what it is, its byte, and how deep it stands."""

    gap: bytes
    kind: int
    at: int
    depth: int


def scan(source: Source, per_chunk: int) -> tuple[list[str] | None, int, Spans, dict[str, Any]]:
    """Columns (None for lists without names), their number, spans, and the kind of rows.

    Raises MalformedJson with the byte, NoTable, NoRows, BadHeader, NotUtf8.
    """
    outline = _Outline(source, per_chunk)
    for bracket in brackets(source.file, 0, source.size, source.field):
        outline.take(bracket)
    outline.check_whole()
    if not outline.cutter.rows:
        raise NoRows(field=source.field)
    columns, width, rows_are = outline.header()
    return columns, width, outline.cutter.spans(outline.last_end), {"rows": rows_are}


def read(source: Source, span: Span, layout: Layout) -> "Rows":
    """(span.rows, columns). Raises MalformedJson, BadRecord, RaggedRow, NotNumeric."""
    start, end = _locate(source, span)
    source.file.seek(start)
    raw = source.file.read(end - start)
    rows = _rows(b"[" + raw + b"]", source.field, start - 1)
    if len(rows) != span.rows:
        raise MalformedJson(field=source.field, reason=f"{len(rows)} rows instead of {span.rows} at byte {start}")
    records = layout.detail["rows"] == "records"
    for index, row in enumerate(rows):
        if isinstance(row, dict) != records:
            expected = "a record" if records else "a list"
            raise BadRecord(field=source.field, row=span.first + index, reason=f"it is not {expected}")
    if records:
        rows = _lists(rows, span.first, layout.columns, source.field)
    return cells.numbers(rows, span.first, layout.columns, source.field, plain=cells.is_plain(raw))


def brackets(file: BinaryIO, start: int, end: int, field: str) -> Iterator[Bracket]:
    """Every bracket outside strings between two bytes. Raises MalformedJson when they do not match up."""
    file.seek(start)
    rest, at, fetched, opened = b"", start, start, bytearray()
    while piece := file.read(min(PIECE_BYTES, end - fetched)):
        fetched += len(piece)
        rest, position = rest + piece, 0
        while match := _TO_BRACKET.match(rest, position):
            kind, place = rest[match.end() - 1], at + match.end() - 1
            if kind in _CLOSES and (not opened or opened.pop() != _CLOSES[kind]):
                raise _malformed(field, f"{chr(kind)!r} closes nothing", place)
            yield Bracket(match[1], kind, place, len(opened))
            if kind not in _CLOSES:
                opened.append(kind)
            if len(opened) > MAX_DEPTH:
                raise _malformed(field, f"nested more than {MAX_DEPTH} deep", place)
            position = match.end()
        at, rest = at + position, rest[position:]
        if len(rest) > MAX_GAP_BYTES:
            raise _malformed(field, f"no bracket within {MAX_GAP_BYTES} bytes; a string that never ends?", at)
    if opened:
        raise _malformed(field, "it ends inside a list or an object", end)
    if rest.strip():
        raise _malformed(field, "extra text", at)


class _Outline:
    """Follows the brackets and keeps the document's outermost level, its columns, and where the rows are."""

    def __init__(self, source: Source, per_chunk: int) -> None:
        self.cutter = Cutter(per_chunk)
        self.last_end = 0
        self._source = source
        self._skeleton = b""  # an object with each list or object in it replaced by 0
        self._rows_depth = 0  # how deep a row stands; 0 before the rows begin
        self._first_row = (0, 0)
        self._columns: tuple[int, int] | None = None
        self._key = b""
        self._in_rows = False

    def take(self, bracket: Bracket) -> None:
        opens = bracket.kind not in _CLOSES
        if bracket.depth == 0:
            self._outermost(bracket, opens)
        elif self._in_rows and bracket.depth == self._rows_depth:
            self._row(bracket, opens)
        elif self._in_rows and bracket.depth == self._rows_depth - 1 and not opens:
            self._end_of_rows(bracket)
        elif bracket.depth == 1 and self._skeleton:
            self._member(bracket, opens)

    def _outermost(self, bracket: Bracket, opens: bool) -> None:
        if opens and (self._skeleton or self._rows_depth or bracket.gap.removeprefix(_BOM).strip()):
            raise _malformed(self._source.field, "extra text", bracket.at)
        if bracket.kind == ord("["):
            self._in_rows, self._rows_depth = True, 1
        elif opens:
            self._skeleton = b"{"
        elif self._in_rows:
            self._end_of_rows(bracket)
        elif self._skeleton:
            self._keep(bracket.gap + b"}")

    def _row(self, bracket: Bracket, opens: bool) -> None:
        if not opens:
            self.last_end = bracket.at + 1
            if self.cutter.rows == 1:
                self._first_row = (self._first_row[0], self.last_end)
            return
        gap_is_right = _BETWEEN.match(bracket.gap) if self.cutter.rows else not bracket.gap.strip()
        if not gap_is_right:
            self._stray(bracket)
        if not self.cutter.rows:
            self._first_row = (bracket.at, 0)
        self.cutter.add([bracket.at])

    def _end_of_rows(self, bracket: Bracket) -> None:
        if bracket.gap.strip():
            self._stray(bracket)
        self._in_rows = False

    def _stray(self, bracket: Bracket) -> None:
        text = bracket.gap.strip().strip(b",").strip()
        if text and b"," not in bracket.gap.strip()[:1] and self.cutter.rows:
            raise _malformed(self._source.field, "no comma between rows", bracket.at)
        if not text:
            raise _malformed(self._source.field, "a comma where a row should be, or none", bracket.at)
        shown = text[: cells.SHOWN_CHARS].decode(errors="replace")
        raise NoTable(field=self._source.field, reason=f"row {self.cutter.rows} is neither list nor record: {shown}")

    def _member(self, bracket: Bracket, opens: bool) -> None:
        """A list or an object that is a value of the outermost object."""
        if not opens:
            if self._key == b"columns" and self._columns:
                self._columns = (self._columns[0], bracket.at + 1)
            return
        self._keep(bracket.gap + b"0")
        key = _KEY.search(bracket.gap)
        self._key = key[1][1:-1] if key else b""
        if self._key == b"columns" and bracket.kind == ord("["):
            self._columns = (bracket.at, 0)
        if self._key == b"data" and bracket.kind == ord("["):
            if self._rows_depth:
                raise _malformed(self._source.field, 'a second "data"', bracket.at)
            self._in_rows, self._rows_depth = True, 2

    def _keep(self, text: bytes) -> None:
        self._skeleton += text
        if len(self._skeleton) > MAX_GAP_BYTES:
            raise _malformed(self._source.field, "too much beside the rows", 0)

    def check_whole(self) -> None:
        """What is not a table, and what the brackets alone do not show."""
        if self._skeleton:
            _parse(self._skeleton, self._source.field, 0)
        if not self._rows_depth:
            raise NoTable(field=self._source.field, reason='there is no list of rows named "data"')

    def header(self) -> tuple[list[str] | None, int, str]:
        """Columns, their number, and what rows are: `records` or `lists`."""
        first = _load(self._source, *self._first_row)
        if isinstance(first, dict):
            names = cells.check_names([str(name) for name in first], self._source.field)
            return names, len(names), "records"
        if self._columns is None:
            return None, len(first), "lists"
        names = _load(self._source, *self._columns)
        if not all(isinstance(name, str) for name in names):
            raise BadHeader(field=self._source.field, reason='"columns" must be a list of names')
        if len(names) != len(first):
            raise RaggedRow(field=self._source.field, row=0, found=len(first), expected=len(names))
        return cells.check_names(names, self._source.field), len(names), "lists"


def _locate(source: Source, span: Span) -> tuple[int, int]:
    """The bytes of the span's own rows: a halved span shares its bytes with its other half."""
    start, row = span.start, span.span_first - 1
    for bracket in brackets(source.file, span.start, span.end, source.field):
        if bracket.depth:
            continue
        if bracket.kind not in _CLOSES:
            row += 1
            start = bracket.at if row == span.first else start
        elif row == span.last:
            return start, bracket.at + 1
    return start, span.end


def _lists(rows: list[dict[str, Any]], first: int, columns: list[str], field: str) -> list[list[Any]]:
    expected = set(columns)
    for index, row in enumerate(rows):
        if row.keys() != expected:
            missing, extra = sorted(expected - row.keys())[:10], sorted(row.keys() - expected)[:10]
            reason = f"missing: {', '.join(missing) or '-'}; not in the first row: {', '.join(extra) or '-'}"
            raise BadRecord(field=field, row=first + index, reason=reason)
    return [[row[name] for name in columns] for row in rows]


def _load(source: Source, start: int, end: int) -> Any:
    """The list or the record between two bytes, which are its brackets."""
    source.file.seek(start)
    raw = source.file.read(end - start)
    return (_rows if raw.startswith(b"[") else _parse)(raw, source.field, start)


def _rows(raw: bytes, field: str, start: int) -> list[Any]:
    """A list: quickly where it is plain JSON, and again with the standard library for NaN and for a cause."""
    try:
        rows: list[Any] = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        rows = _parse(raw, field, start)
    return rows


def _parse(raw: bytes, field: str, start: int) -> Any:
    try:
        return json.loads(raw.decode(), object_pairs_hook=_record)
    except json.JSONDecodeError as error:
        raise _malformed(field, error.msg, start + len(error.doc[: error.pos].encode())) from None
    except UnicodeDecodeError as error:
        raise NotUtf8(field=field, position=start + error.start) from None
    except (ValueError, RecursionError) as error:
        raise _malformed(field, str(error), start) from None


def _record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a record with the same key twice")
    return record


def _malformed(field: str, reason: str, position: int) -> MalformedJson:
    return MalformedJson(field=field, reason=f"{reason} (byte {position})")
