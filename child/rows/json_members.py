"""A JSON object whose members are rows (pandas: `orient="index"`) or columns (`orient="columns"`, or a list each).
Used in children.

Which of the two shows when the model's names are known. Columns that lie one after the other are read one at a time by
every child, which keeps of each the rows of its chunk: so such a file has a limit.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from child.parts import Source
from child.rows import cells
from child.rows.cutter import Cutter
from child.rows.json_brackets import LIST, Bracket
from child.rows.json_text import parse, parse_list
from child.rows.matching import fold
from child.rows.table import Rows
from child.rows.words import Words
from jobs.errors import BadRecord, NoTable, TooLarge
from jobs.records import Layout
from jobs.spans import Span

MAX_BYTES = 32 * 1024 * 1024
"""Of a file with one column after the other."""
WAY_OUT = "Send rows instead (pandas: to_json(orient='records'), or to_csv)."
Place = tuple[int, int]
"""The bytes of a list or an object: its opening bracket, and one after its closing one."""


class Members:
    """Lists and objects that are values of one object, as they are met."""

    MOST: ClassVar[int] = 10_000
    """Columns: more members are rows."""

    def __init__(self, cutter: Cutter) -> None:
        self.cutter = cutter
        self.count = self.lists = self.last_end = 0
        self.scalars: int | None = None
        """Members that are neither lists nor objects, when all have been met."""
        self.names: list[bytes] = []
        """Of the first MOST members, as JSON strings."""
        self.places: list[Place] = []
        self._is_flat = True

    def begin(self, name: bytes, bracket: Bracket) -> None:
        self.count += 1
        self.lists += bracket.kind == LIST
        self.cutter.add([bracket.at])
        if self.count <= self.MOST:
            self.names.append(name)
            self.places.append((bracket.at, 0))

    def end(self, bracket: Bracket) -> None:
        self.last_end = bracket.at + 1
        if self.count <= self.MOST:
            self.places[-1] = (self.places[-1][0], self.last_end)

    def nested(self) -> None:
        """There is a list or an object within a member."""
        self._is_flat = False

    def check(self, field: str) -> None:
        """Raises NoTable unless all are lists, or all are objects, of plain values."""
        if not self._is_flat or self.lists not in {0, self.count} or self.scalars:
            reason = (
                "its members are neither all rows nor all columns" if self._is_flat else "they hold more than cells"
            )
            raise NoTable(field=field, reason=f'there is no list of rows named "data", and {reason}')

    def are_columns(self, inner: Collection[str], features: Sequence[str] | None) -> tuple[bool, bool]:
        """Whether members are columns, and whether that is a guess: names are where more of the model's are, or else
        where no pandas index is.
        """
        if self.lists or self.count > self.MOST:
            return bool(self.lists), False
        outer = [str(parse(name, "", 0)) for name in self.names]
        if features:
            known = set(map(fold, features))
            by_outer, by_inner = (len(known.intersection(map(fold, names))) for names in (outer, inner))
            if by_outer != by_inner:
                return by_outer > by_inner, False
        return _is_index(inner) or not _is_index(outer), _is_index(inner) == _is_index(outer)


def check_size(source: Source) -> None:
    """Raises TooLarge for columns that no child would read again and again."""
    if source.size > MAX_BYTES:
        what = f"{source.field}, as JSON column by column,"
        raise TooLarge(field=what, limit_bytes=MAX_BYTES, way_out=WAY_OUT)


def read_columns(source: Source, span: Span, layout: Layout, words: Mapping[int, Words]) -> Rows:
    """(span.rows, features), a column at a time. Raises BadRecord and NotNumeric."""
    places, rows = layout.detail["places"], layout.detail["count"]
    first_labels, columns = None, []
    for name, number in zip(layout.features, layout.order or range(len(places)), strict=True):
        labels, column = column_at(source, places[number])
        first_labels = first_labels or labels
        if labels != first_labels or len(column) != rows:
            reason = f"column {name} has {len(column)} cells or other row labels, and the first column has {rows}"
            raise BadRecord(field=source.field, row=min(len(column), rows), reason=reason)
        columns.append(column[span.first : span.last + 1])
    picked = list(zip(*columns, strict=True))
    return cells.numbers(picked, span.first, layout.features, source.field, plain=False, words=words)


def column_at(source: Source, place: Place) -> tuple[int, list[Any]]:
    """A hash of its row labels, and its cells."""
    column = value_at(source, place)
    return (hash(tuple(column)), list(column.values())) if isinstance(column, dict) else (0, column)


def value_at(source: Source, place: Place) -> Any:
    """The list or the object that stands there."""
    start, end = place
    source.file.seek(start)
    raw = source.file.read(end - start)
    return (parse_list if raw.startswith(b"[") else parse)(raw, source.field, start)


def _is_index(names: Collection[str]) -> bool:
    """0, 1, 2, ...: what pandas calls rows, and columns, that have no names."""
    return list(names) == [str(number) for number in range(len(names))]
