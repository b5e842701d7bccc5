"""What a JSON document looks like from outside: where its rows and its columns are. Used by the child that opens a job.

Follows the brackets and keeps nothing else, so that it takes no memory to speak of. What stands between rows is checked
here, what stands inside a row when its span is read.
"""

import re

from child.rows import cells
from child.rows.cutter import Cutter
from child.rows.json_brackets import LIST, MAX_GAP_BYTES, Bracket, malformed
from child.rows.json_members import Members, Place
from child.rows.json_text import parse
from jobs.errors import NoTable

ROWS = (b"data", b"instances", b"dataframe_records", b"inputs")
"""Members that hold rows: pandas's, and those of MLServer and MLflow."""
WRAPPERS = (b"dataframe_split", b"inputs")
"""Members that hold a document like the outermost."""
_KEY = re.compile(rb'("(?:[^"\\]|\\.)*+")\s*:\s*\Z', re.DOTALL)
_BETWEEN = re.compile(rb"\s*,\s*\Z")
_BOM = b"\xef\xbb\xbf"


class RowList:
    """The list that holds the rows, each a list or an object at `depth`."""

    def __init__(self, cutter: Cutter, depth: int, field: str) -> None:
        self.cutter = cutter
        self.first_row: Place = (0, 0)
        self.last_end = 0
        self.is_open = True
        self._depth, self._field = depth, field

    def take(self, bracket: Bracket) -> None:
        """The next bracket inside the list, or its end. Raises MalformedJson and NoTable."""
        if bracket.depth > self._depth:
            return
        if bracket.depth < self._depth:
            if bracket.gap.strip():
                self._stray(bracket)
            self.is_open = False
        elif bracket.opens:
            self._begin_row(bracket)
        else:
            self._end_row(bracket)

    def _begin_row(self, bracket: Bracket) -> None:
        is_first = not self.cutter.rows
        if bracket.gap.strip() if is_first else not _BETWEEN.match(bracket.gap):
            self._stray(bracket)
        if is_first:
            self.first_row = (bracket.at, 0)
        self.cutter.add([bracket.at])

    def _end_row(self, bracket: Bracket) -> None:
        self.last_end = bracket.at + 1
        if self.cutter.rows == 1:
            self.first_row = (self.first_row[0], self.last_end)

    def _stray(self, bracket: Bracket) -> None:
        """What stands before this bracket is not what separates rows."""
        text = bracket.gap.strip().strip(b",").strip()
        if text and b"," not in bracket.gap.strip()[:1] and self.cutter.rows:
            raise malformed(self._field, "no comma between rows", bracket.at)
        if not text:
            raise malformed(self._field, "a comma where a row should be, or none", bracket.at)
        shown = text[: cells.SHOWN_CHARS].decode(errors="replace")
        raise NoTable(field=self._field, reason=f"row {self.cutter.rows} is neither list nor record: {shown}")


class Outline:
    """The document's outermost level: a list of rows, an object with such a list (see ROWS), or an object whose members
    are the rows or the columns.
    """

    def __init__(self, field: str, per_chunk: int) -> None:
        self.rows: RowList | None = None
        self.is_record = False
        """The object holds nothing but cells: it is the only row."""
        self.columns: Place | None = None
        """The list of names beside the rows."""
        self.members = Members(Cutter(per_chunk))
        self._field, self._per_chunk = field, per_chunk
        self._objects: list[bytes] = []  # those that are open, with each list or object in them replaced by 0
        self._began = False
        self._key = b""

    def take(self, bracket: Bracket) -> None:
        """The next bracket. Raises MalformedJson with the byte, and NoTable."""
        level = len(self._objects)
        if self.rows and self.rows.is_open:
            self.rows.take(bracket)
        elif bracket.depth == level:
            self._member(bracket) if level else self._outermost(bracket)
        elif bracket.depth == level - 1:
            self._keep(bracket.gap + b"}")
            self._check_object(self._objects.pop())
        else:
            self.members.nested()

    def check_whole(self) -> None:
        """Raises NoTable where there are neither rows nor columns."""
        if not self.rows and not self.members.count:
            raise NoTable(field=self._field, reason='there is no list of rows named "data"')

    def _outermost(self, bracket: Bracket) -> None:
        if self._began or bracket.gap.removeprefix(_BOM).strip():
            raise malformed(self._field, "extra text", bracket.at)
        self._began = True
        if bracket.kind == LIST:
            self._begin_rows(depth=1)
        else:
            self._objects.append(b"{")

    def _member(self, bracket: Bracket) -> None:
        """A list or an object that is a value of the innermost object which is looked into."""
        if not bracket.opens:
            self._end_member(bracket)
            return
        self._keep(bracket.gap + b"0")
        key = _KEY.search(bracket.gap)
        self._key = key[1][1:-1] if key else b""
        if bracket.kind == LIST:
            self._begin_list(bracket)
        elif self._key in WRAPPERS:
            self._objects.append(b"{")
        else:
            self.members.begin(key[1] if key else b'""', bracket)

    def _begin_list(self, bracket: Bracket) -> None:
        if self._key == b"columns":
            self.columns = (bracket.at, 0)
        elif self._key in ROWS:
            if self.rows:
                raise malformed(self._field, 'a second "data"', bracket.at)
            self._begin_rows(depth=len(self._objects) + 1)
            return
        self.members.begin(b'"%b"' % self._key, bracket)

    def _end_member(self, bracket: Bracket) -> None:
        if self._key == b"columns" and self.columns and not self.columns[1]:
            self.columns = (self.columns[0], bracket.at + 1)
        self.members.end(bracket)

    def _begin_rows(self, depth: int) -> None:
        self.rows = RowList(Cutter(self._per_chunk), depth, self._field)

    def _keep(self, text: bytes) -> None:
        """What stands between the members, which no row is. It is checked where it is not too much for that."""
        if self.members.count <= Members.MOST:
            self._objects[-1] += text
        if len(self._objects[-1]) > MAX_GAP_BYTES:
            raise malformed(self._field, "too much beside the rows", 0)

    def _check_object(self, skeleton: bytes) -> None:
        if self.members.count <= Members.MOST:
            found = parse(skeleton, self._field, 0)
            if self.members.scalars is None:
                self.members.scalars = len(found) - self.members.count
                cells_alone = not (self._objects or self.members.count or self.rows)
                self.is_record = cells_alone and any(name.encode() not in ROWS + WRAPPERS for name in found)
