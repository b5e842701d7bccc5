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
    """(span.rows, features). Raises MalformedJson, BadRecord, RaggedRow, NotNumeric."""
    start, end = _locate(source, span)
    source.file.seek(start)
    raw = source.file.read(end - start)
    rows = parse_list(b"[" + raw + b"]", source.field, start - 1)
    if len(rows) != span.rows:
        raise MalformedJson(field=source.field, reason=f"{len(rows)} rows instead of {span.rows} at byte {start}")
    records = layout.detail["rows"] == "records"
    _check_alike(rows, span.first, source.field, records=records)
    picked = (_lists if records else cells.pick)(rows, span.first, layout, source.field)
    return cells.numbers(picked, span.first, layout.features, source.field, plain=cells.is_plain(raw))


def _header(source: Source, first_row: Place, columns: Place | None) -> tuple[list[str] | None, int, str]:
    """Columns, their number, and what rows are: `records` or `lists`."""
    first = _value_at(source, first_row)
    if isinstance(first, dict):
        return list(first), len(first), "records"
    if columns is None:
        return None, len(first), "lists"
    names = _value_at(source, columns)
    if not all(isinstance(name, str | int | float) for name in names):
        raise BadHeader(field=source.field, reason='"columns" must be a list of names')
    if len(names) != len(first):
        raise RaggedRow(field=source.field, row=0, found=len(first), expected=len(names))
    return list(map(str, names)), len(names), "lists"


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
