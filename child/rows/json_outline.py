"""What a JSON document looks like from outside: where its rows and its columns are. Used by the child that opens a job.

Follows the brackets and keeps nothing else, so that it takes no memory to speak of. What stands between rows is checked
here, what stands inside a row when its span is read.
"""

import re

from child.rows import cells
from child.rows.cutter import Cutter
from child.rows.json_brackets import LIST, MAX_GAP_BYTES, Bracket, malformed
from child.rows.json_text import parse
from jobs.errors import NoTable

_KEY = re.compile(rb'("(?:[^"\\]|\\.)*+")\s*:\s*\Z', re.DOTALL)
_BETWEEN = re.compile(rb"\s*,\s*\Z")
_BOM = b"\xef\xbb\xbf"

Place = tuple[int, int]
"""The bytes of a list or an object: its opening bracket, and one after its closing one."""


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
    """The document's outermost level: a list of rows, or an object with such a list as its `data`."""

    def __init__(self, field: str, per_chunk: int) -> None:
        self.rows: RowList | None = None
        self.columns: Place | None = None
        self._field, self._per_chunk = field, per_chunk
        self._skeleton = b""  # an object with each list or object in it replaced by 0
        self._key = b""

    def take(self, bracket: Bracket) -> None:
        """The next bracket. Raises MalformedJson with the byte, and NoTable."""
        if self.rows and self.rows.is_open:
            self.rows.take(bracket)
        elif bracket.depth == 0:
            self._outermost(bracket)
        elif bracket.depth == 1:
            self._member(bracket)

    def check_whole(self) -> RowList:
        """The rows; and what the brackets alone do not show. Raises MalformedJson, NotUtf8, NoTable."""
        if self._skeleton:
            parse(self._skeleton, self._field, 0)
        if not self.rows:
            raise NoTable(field=self._field, reason='there is no list of rows named "data"')
        return self.rows

    def _outermost(self, bracket: Bracket) -> None:
        if not bracket.opens:
            self._keep(bracket.gap + b"}")
            return
        if self._skeleton or self.rows or bracket.gap.removeprefix(_BOM).strip():
            raise malformed(self._field, "extra text", bracket.at)
        if bracket.kind == LIST:
            self._begin_rows(depth=1)
        else:
            self._skeleton = b"{"

    def _member(self, bracket: Bracket) -> None:
        """A list or an object that is a value of the outermost object."""
        if not bracket.opens:
            if self._key == b"columns" and self.columns:
                self.columns = (self.columns[0], bracket.at + 1)
            return
        self._keep(bracket.gap + b"0")
        key = _KEY.search(bracket.gap)
        self._key = key[1][1:-1] if key else b""
        if self._key == b"columns" and bracket.kind == LIST:
            self.columns = (bracket.at, 0)
        if self._key == b"data" and bracket.kind == LIST:
            if self.rows:
                raise malformed(self._field, 'a second "data"', bracket.at)
            self._begin_rows(depth=2)

    def _begin_rows(self, depth: int) -> None:
        self.rows = RowList(Cutter(self._per_chunk), depth, self._field)

    def _keep(self, text: bytes) -> None:
        self._skeleton += text
        if len(self._skeleton) > MAX_GAP_BYTES:
            raise malformed(self._field, "too much beside the rows", 0)
