"""JSON tables: found by their brackets while the file streams past. Used in children.

Rows are a list of records or of lists, with {"columns": [...]} or without, members of an object, values one after the
other, a line each (NDJSON), or a single record; columns, see `json_members`. Does not parse what it scans but for the
columns and the first row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from child.parts import Source
from child.rows import cells, json_members
from child.rows.cutter import Cutter, shared
from child.rows.json_brackets import brackets, malformed
from child.rows.json_members import Place, value_at
from child.rows.json_outline import Outline
from child.rows.json_text import parse, parse_list
from child.rows.table import Rows, Table
from child.rows.words import Words
from jobs.errors import BadHeader, BadRecord, MalformedJson, NoRows, RaggedRow
from jobs.formats import DataFormat, are_json_lines
from jobs.protocol import PIECE_BYTES
from jobs.records import Layout
from jobs.spans import Span
from jobs.warnings import warning

GUESSED = "The JSON object's members were taken for columns, as pandas writes them unless it is told orient='index'."
ROW_MEMBERS = {"rows": "members"}
_BOM = b"\xef\xbb\xbf"


def scan(source: Source, per_chunk: int, features: Sequence[str] | None = None) -> Table:
    """Columns (None for lists without names) and spans; the detail says what rows are, `records`, `lists`, `members` of
    an object) or `columns`, and whether they stand in `lines`.

    Raises MalformedJson with the byte, NoTable, NoRows, BadHeader, NotUtf8.
    """
    source.file.seek(0)
    if are_json_lines(source.file.read(PIECE_BYTES)):
        return _scan_lines(source, per_chunk)
    outline = Outline(source.field, per_chunk)
    for bracket in brackets(source.file, 0, source.size, source.field):
        outline.take(bracket)
    if outline.is_record:
        return replace(_scan_lines(source, per_chunk), detail={"rows": "records"})
    outline.check_whole()
    if not outline.rows:
        return _scan_members(source, per_chunk, outline, features)
    rows = outline.rows
    if not rows.cutter.rows:
        raise NoRows(field=source.field)
    columns, width, rows_are = _header(source, rows.first_row, outline.columns)
    spans = rows.cutter.spans(rows.last_end)
    return Table(format=DataFormat.JSON, columns=columns, width=width, spans=spans, detail={"rows": rows_are})


def _scan_members(source: Source, per_chunk: int, outline: Outline, features: Sequence[str] | None) -> Table:
    """Rows or columns that are an object's members."""
    members = outline.members
    members.check(source.field)
    inner = value_at(source, members.places[0])
    are_columns, guessed = members.are_columns(inner, features)
    if not are_columns:
        spans = members.cutter.spans(members.last_end)
        return Table(format=DataFormat.JSON, columns=list(inner), width=len(inner), spans=spans, detail=ROW_MEMBERS)
    json_members.check_size(source)
    if not inner:
        raise NoRows(field=source.field)
    names = [str(parse(name, source.field, 0)) for name in members.names]
    detail = {"rows": "columns", "places": members.places, "count": len(inner)}
    spans = shared(len(inner), per_chunk, 0, source.size)
    said = [warning("json_columns", GUESSED)] if guessed else []
    return Table(format=DataFormat.JSON, columns=names, width=len(names), spans=spans, detail=detail, warnings=said)


def _scan_lines(source: Source, per_chunk: int) -> Table:
    """A record or a list on each line."""
    cutter, first, end = Cutter(per_chunk), (0, 0), 0
    for bracket in brackets(source.file, 0, source.size, source.field):
        if bracket.depth:
            continue
        if bracket.opens:
            if bracket.gap.removeprefix(_BOM).strip():
                raise malformed(source.field, "extra text between lines", bracket.at)
            cutter.add([bracket.at])
            first = first if first[1] else (bracket.at, 0)
        else:
            end = bracket.at + 1
            first = first if first[1] else (first[0], end)
    columns, width, rows_are = _header(source, first, None)
    detail = {"rows": rows_are, "lines": True}
    return Table(format=DataFormat.JSON, columns=columns, width=width, spans=cutter.spans(end), detail=detail)


def read(source: Source, span: Span, layout: Layout, words: Mapping[int, Words]) -> Rows:
    """(span.rows, features). Raises MalformedJson, BadRecord, RaggedRow, NotNumeric."""
    if layout.detail["rows"] == "columns":
        return json_members.read_columns(source, span, layout, words)
    start, end = _locate(source, span)
    source.file.seek(start)
    raw = source.file.read(end - start)
    rows = _parsed(raw, source.field, start, layout)
    if len(rows) != span.rows:
        raise MalformedJson(field=source.field, reason=f"{len(rows)} rows instead of {span.rows} at byte {start}")
    records = layout.detail["rows"] != "lists"
    _check_alike(rows, span.first, source.field, records=records)
    picked = (_lists if records else cells.pick)(rows, span.first, layout, source.field)
    return cells.numbers(picked, span.first, layout.features, source.field, plain=cells.is_plain(raw), words=words)


def _parsed(raw: bytes, field: str, start: int, layout: Layout) -> list[Any]:
    """The rows, which stand between commas, as members of an object, or in lines."""
    if layout.detail["rows"] == "members":
        return list(parse(b'{"":' + raw + b"}", field, start - 4).values())
    if layout.detail.get("lines"):
        try:
            found: list[Any] = msgspec.json.Decoder().decode_lines(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = [parse(line, field, start) for line in raw.splitlines() if line.strip()]
        return found
    return parse_list(b"[" + raw + b"]", field, start - 1)


def _header(source: Source, first_row: Place, columns: Place | None) -> tuple[list[str] | None, int, str]:
    """Columns, their number, and what rows are: `records` or `lists`."""
    first = value_at(source, first_row)
    if isinstance(first, dict):
        return list(first), len(first), "records"
    if columns is None:
        return None, len(first), "lists"
    names = value_at(source, columns)
    if not all(isinstance(name, str | int | float) for name in names):
        raise BadHeader(field=source.field, reason='"columns" must be a list of names')
    if len(names) != len(first):
        raise RaggedRow(field=source.field, row=0, found=len(first), expected=len(names))
    return list(map(str, names)), len(names), "lists"


def _locate(source: Source, span: Span) -> Place:
    """The bytes of the span's own rows: a halved span shares its bytes with its other half."""
    start, row = span.start, span.span_first - 1
    for bracket in brackets(source.file, span.start, span.end, source.field):
        if bracket.depth:
            continue
        if bracket.opens:
            row += 1
            start = bracket.at if row == span.first else start
        elif row == span.last:
            return start, bracket.at + 1
    return start, span.end


def _check_alike(rows: list[Any], first: int, field: str, *, records: bool) -> None:
    for index, row in enumerate(rows):
        if isinstance(row, dict) != records:
            expected = "a record" if records else "a list"
            raise BadRecord(field=field, row=first + index, reason=f"it is not {expected}")


def _lists(rows: list[dict[str, Any]], first: int, layout: Layout, field: str) -> list[list[Any]]:
    """Of records the cells of the layout's features: what else is in them does not matter."""
    wanted = layout.features
    try:
        return [[row[name] for name in wanted] for row in rows]
    except KeyError:
        index = next(index for index, row in enumerate(rows) if not row.keys() >= set(wanted))
        missing = [name for name in wanted if name not in rows[index]][:10]
        extra = sorted(rows[index].keys() - set(layout.columns))[:10]
        reason = f"missing: {', '.join(missing)}; not in the first row: {', '.join(extra) or '-'}"
        raise BadRecord(field=field, row=first + index, reason=reason) from None
