"""The brackets of a JSON document, found while it streams past, without parsing what lies between them. Used in
children.

Checks that they match up, and nothing else: see `json_outline` for what they mean.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from jobs.errors import MalformedJson
from jobs.protocol import PIECE_BYTES

MAX_GAP_BYTES = 8 * 1024 * 1024
"""The longest stretch without a bracket: a row of some 400,000 numbers."""
MAX_DEPTH = 64
LIST = ord("[")
_OBJECT = ord("{")
_CLOSES = {ord("]"): LIST, ord("}"): _OBJECT}
_TO_BRACKET = re.compile(rb'((?:[^"\[\]{}]++|"(?:[^"\\]|\\.)*+")*+)([\[\]{}])', re.DOTALL)


class Bracket(NamedTuple):
    """One bracket outside strings: what stands before it, what it is, its byte, and how deep it stands."""

    gap: bytes
    kind: int
    at: int
    depth: int
    opens: bool


def brackets(file: BinaryIO, start: int, end: int, field: str) -> Iterator[Bracket]:
    """Every bracket outside strings between two bytes. Raises MalformedJson when they do not match up."""
    file.seek(start)
    rest, at, fetched, opened = b"", start, start, bytearray()
    while piece := file.read(min(PIECE_BYTES, end - fetched)):
        fetched += len(piece)
        rest, position = rest + piece, 0
        while match := _TO_BRACKET.match(rest, position):
            position = match.end()
            kind, place = rest[position - 1], at + position - 1
            closes = kind in _CLOSES
            if closes and (not opened or opened.pop() != _CLOSES[kind]):
                raise malformed(field, f"{chr(kind)!r} closes nothing", place)
            yield Bracket(match[1], kind, place, len(opened), not closes)
            if not closes:
                opened.append(kind)
            if len(opened) > MAX_DEPTH:
                raise malformed(field, f"nested more than {MAX_DEPTH} deep", place)
        at, rest = at + position, rest[position:]
        if len(rest) > MAX_GAP_BYTES:
            raise malformed(field, f"no bracket within {MAX_GAP_BYTES} bytes; a string that never ends?", at)
    if opened:
        raise malformed(field, "it ends inside a list or an object", end)
    if rest.strip():
        raise malformed(field, "extra text", at)


def malformed(field: str, reason: str, position: int) -> MalformedJson:
    return MalformedJson(field=field, reason=f"{reason} (byte {position})")
