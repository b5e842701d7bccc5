"""JSON tables: lists of rows or records, found by their brackets while the file streams past. Used in children.

Three shapes: {"columns": [...], "data": [...]} in either order, a list of records, a list of lists. Does not parse what
it scans but for the columns and the first row.
"""

from typing import Any

from child.parts import Source
from child.rows import cells
from child.rows.json_brackets import brackets
from child.rows.json_outline import Outline, Place
from child.rows.json_text import parse, parse_list
from child.rows.table import Rows, Table
from jobs.errors import BadHeader, BadRecord, MalformedJson, NoRows, RaggedRow
from jobs.formats import DataFormat
from jobs.records import Layout
from jobs.spans import Span


def scan(source: Source, per_chunk: int) -> Table:
    """Columns (None for lists without names) and spans; the detail says what rows are, `records` or `lists`.

    Raises MalformedJson with the byte, NoTable, NoRows, BadHeader, NotUtf8.
    """
    outline = Outline(source.field, per_chunk)
    for bracket in brackets(source.file, 0, source.size, source.field):
        outline.take(bracket)
    rows = outline.check_whole()
    if not rows.cutter.rows:
        raise NoRows(field=source.field)
    columns, width, rows_are = _header(source, rows.first_row, outline.columns)
    spans = rows.cutter.spans(rows.last_end)
    return Table(format=DataFormat.JSON, columns=columns, width=width, spans=spans, detail={"rows": rows_are})


def read(source: Source, span: Span, layout: Layout) -> Rows:
    """(span.rows, columns). Raises MalformedJson, BadRecord, RaggedRow, NotNumeric."""
    start, end = _locate(source, span)
    source.file.seek(start)
    raw = source.file.read(end - start)
    rows = parse_list(b"[" + raw + b"]", source.field, start - 1)
    if len(rows) != span.rows:
        raise MalformedJson(field=source.field, reason=f"{len(rows)} rows instead of {span.rows} at byte {start}")
    records = layout.detail["rows"] == "records"
    _check_alike(rows, span.first, source.field, records=records)
    if records:
        rows = _lists(rows, span.first, layout.columns, source.field)
    return cells.numbers(rows, span.first, layout.columns, source.field, plain=cells.is_plain(raw))


def _header(source: Source, first_row: Place, columns: Place | None) -> tuple[list[str] | None, int, str]:
    """Columns, their number, and what rows are: `records` or `lists`."""
    first = _value_at(source, first_row)
    if isinstance(first, dict):
        names = cells.check_names([str(name) for name in first], source.field)
        return names, len(names), "records"
    if columns is None:
        return None, len(first), "lists"
    names = _value_at(source, columns)
    if not all(isinstance(name, str) for name in names):
        raise BadHeader(field=source.field, reason='"columns" must be a list of names')
    if len(names) != len(first):
        raise RaggedRow(field=source.field, row=0, found=len(first), expected=len(names))
    return cells.check_names(names, source.field), len(names), "lists"


def _value_at(source: Source, place: Place) -> Any:
    start, end = place
    source.file.seek(start)
    raw = source.file.read(end - start)
    return (parse_list if raw.startswith(b"[") else parse)(raw, source.field, start)


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


def _lists(rows: list[dict[str, Any]], first: int, columns: list[str], field: str) -> list[list[Any]]:
    """Records as lists, in the order of columns."""
    expected = set(columns)
    for index, row in enumerate(rows):
        if row.keys() != expected:
            missing, extra = sorted(expected - row.keys())[:10], sorted(row.keys() - expected)[:10]
            reason = f"missing: {', '.join(missing) or '-'}; not in the first row: {', '.join(extra) or '-'}"
            raise BadRecord(field=field, row=first + index, reason=reason)
    return [[row[name] for name in columns] for row in rows]
