"""Parquet, Arrow and Excel files that are broken where their readers trust them: numbers in their metadata. Pure.

One function a format, as in `files`, where they have their rows. Each takes a valid file; what comes out is damaged
behind a beginning that readers know.
"""

import io
import re
import zipfile
from collections.abc import Callable

from fuzz import thrift
from fuzz.damage import INTEGERS, TEXTS, Draw, in_bytes
from fuzz.workbooks import SHEET

PARQUET = b"PAR1"
_TAIL, _SIZE = 8, 4
_HEAD_OF_MESSAGE = b"\xff\xff\xff\xff"
_ARROW_TAIL = 10
COMPRESSED_SIZE = 2
"""Its place among the numbers of a page's header."""
CELLS = ("XFD1048576", "A1048576", "XFD1", "A0", "ZZZZZZ9", "A99999999999999999999", "A1:XFD1048576", "1A", "")
KINDS = ("s", "str", "e", "b", "d", "n", "inlineStr", "x")
MOST_CELLS = 200_000
_ENTITIES = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 10))
_BOMB = f'<!DOCTYPE x [<!ENTITY e0 "ha">{_ENTITIES}<!ENTITY f SYSTEM "file:///etc/passwd">]>'


def parquet(draw: Draw, raw: bytes) -> bytes:
    """A number of the footer, or of a page's header."""
    footer = len(raw) - _TAIL - int.from_bytes(raw[-_TAIL:-_SIZE], "little")
    if draw.random() < 0.35:
        at = draw.choice(_pages(raw, footer))
        return raw[: at.start] + thrift.varint(_number(draw, at.number), at.end - at.start) + raw[at.end :]
    found = bytearray(raw[footer:-_TAIL])
    numbers, _ = thrift.places(found, 0)
    for at in sorted(draw.sample(numbers, draw.randint(1, 3)), reverse=True):
        found[at.start : at.end] = thrift.varint(_number(draw, at.number), at.end - at.start)
    return raw[:footer] + bytes(found) + len(found).to_bytes(_SIZE, "little") + PARQUET


def _pages(raw: bytes, end: int) -> list[thrift.Place]:
    """Of all headers that lie one behind the other, as far as they do."""
    found: list[thrift.Place] = []
    at = len(PARQUET)
    while at < end:
        try:
            here, behind = thrift.places(raw, at)
        except (IndexError, ValueError):
            break
        outer = [place for place in here if place.depth == 1]
        if len(outer) <= COMPRESSED_SIZE:
            break
        found += here
        at = behind + (outer[COMPRESSED_SIZE].number >> 1)
    return found


def _number(draw: Draw, number: int) -> int:
    """Another one: near it, small, or known to hurt; signed ones are written as zigzag."""
    near = (number + draw.choice((-2, -1, 1, 2)), number * 2, number // 2)
    return draw.choice((draw.choice(near), draw.randint(0, 20), thrift.zigzag(draw.choice(INTEGERS))))


def arrow(draw: Draw, raw: bytes) -> bytes:
    """Words of the flatbuffers that describe batches and columns: sizes, offsets, types, counts."""
    found = bytearray(raw)
    start, end = draw.choice(_metadata(raw))
    for _ in range(draw.randint(1, 3)):
        size = draw.choice((4, 4, 8, 2, 1))
        at = start + draw.randrange(max(1, (end - start) // size)) * size
        number = int.from_bytes(found[at : at + size], "little")
        near = (number + draw.choice((-8, -4, -1, 1, 4, 8)), draw.randint(0, 20), draw.choice(INTEGERS))
        found[at : at + size] = (draw.choice(near) % 256**size).to_bytes(size, "little")
    return bytes(found)


def _metadata(raw: bytes) -> list[tuple[int, int]]:
    """Where the messages' metadata begin and end, and a file's footer; a stream has none."""
    found = []
    if raw.startswith(b"ARROW1"):
        footer = int.from_bytes(raw[-_ARROW_TAIL : -_ARROW_TAIL + _SIZE], "little")
        found.append((len(raw) - _ARROW_TAIL - footer, len(raw) - _ARROW_TAIL))
    for message in re.finditer(_HEAD_OF_MESSAGE, raw):
        begin = message.end() + _SIZE
        size = int.from_bytes(raw[message.end() : begin], "little")
        if not message.start() % 8 and 0 < size <= len(raw) - begin:
            found.append((begin, begin + size))
    return found


def xlsx(draw: Draw, raw: bytes) -> bytes:
    """One of its documents, which is XML, or the archive around them."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice((*entries, *[SHEET] * 8))
    action = draw.random()
    if action < 0.8:
        entries[name] = draw.choice(_IN_XML)(draw, entries[name].decode()).encode("utf-8", "replace")
    elif action < 0.9:
        del entries[name]
    else:
        entries[draw.choice((f"{name}x", "../" + name, "xl/sharedStrings.xml", "xl/styles.xml"))] = entries[name]
    return _archived(draw, entries)


def _archived(draw: Draw, entries: dict[str, bytes]) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, archive.compression)
    return into.getvalue() if draw.random() < 0.9 else in_bytes(draw, into.getvalue(), most=2)


def _attribute(draw: Draw, text: str) -> str:
    """A cell's address and kind, or whatever stands between quotes."""
    value = str(draw.choice((draw.choice(CELLS), draw.choice(KINDS), draw.choice(INTEGERS), draw.choice(TEXTS))))
    named = draw.choice((f'<c r="{draw.choice(CELLS)}"', f'<c t="{draw.choice(KINDS)}"', '<c s="7"'))
    return _one(draw, r"<c\b", named, text) if draw.random() < 0.7 else _one(draw, r'"[^"]*"', f'"{value}"', text)


def _content(draw: Draw, text: str) -> str:
    value = str(
        draw.choice((draw.choice(INTEGERS), draw.choice(TEXTS), "1e400", "#REF!", "&e9;", "&#0;", "&#x110000;"))
    )
    return _one(draw, r">[^<]+<", f">{value}<", text)


def _element(draw: Draw, text: str) -> str:
    tag = draw.choice(
        ("", "<row>", "</row>", "<c>", "<c><v>1</v>", "</sheetData>", "<![CDATA[", "<!--", "<v/>", "<row r='0'>")
    )
    return _one(draw, r"<[^>]*>", tag, text)


def _entities(_: Draw, text: str) -> str:
    return _BOMB + text.replace("<v>", "<v>&e9;&f;", 1)


def _many_cells(draw: Draw, text: str) -> str:
    """What packs well: a long row, many rows, or much depth."""
    row = draw.choice(
        ("<row><c><v>1</v></c></row>", "<c><v>1</v></c>", "<row>", "<c t='inlineStr'><is><t>a</t></is></c>")
    )
    return text.replace("</sheetData>", row * draw.choice((100, MOST_CELLS)) + "</sheetData>", 1)


def _dimension(draw: Draw, text: str) -> str:
    return text.replace("<sheetData>", f'<dimension ref="{draw.choice(CELLS)}"/><sheetData>', 1)


def _one(draw: Draw, pattern: str, replacement: str, text: str) -> str:
    """One of all matches replaced."""
    found = list(re.finditer(pattern, text))
    if not found:
        return text
    match = draw.choice(found)
    return text[: match.start()] + replacement + text[match.end() :]


_IN_XML: tuple[Callable[[Draw, str], str], ...] = (
    *[_attribute] * 5,
    *[_content] * 3,
    _element,
    _element,
    _entities,
    _many_cells,
    _dimension,
)
