"""Files that know their format and break it: what a reader meets far behind the first bytes. Pure.

One function a format, each `(draw, raw) -> bytes`; some of what comes out is valid. Does not send anything.
"""

import ast
import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

from fuzz import binary_tables, ubjson
from fuzz.damage import INTEGERS, TEXTS, Draw, in_bytes, in_document, in_lines, in_words
from fuzz.tables import as_json
from shaptrees.readers import ubjson as ubjson_reader

Damage = Callable[[Draw, bytes], bytes]
BLINDLY = 0.3
"""The share that is damaged without a look at its format."""
DTYPES = (
    "<f8",
    ">f8",
    "<f4",
    "<f2",
    "<f16",
    "<i8",
    "<u2",
    "|b1",
    "<c16",
    "|O",
    "|S8",
    "<U999999999",
    "<M8[ns]",
    "|V8",
    "x",
)
SHAPES = (*[(count,) for count in INTEGERS], (), (0, 4), (6, 0), (-6, 4), (2**40, 4), (2, 3, 4), (6.0, 4), (1,) * 40)


def damaged(draw: Draw, kind: str, raw: bytes) -> bytes:
    """A file of this format (a key of FORMATS), damaged in its structure, in its bytes, or in both."""
    if draw.random() < BLINDLY:
        return in_bytes(draw, raw)
    found = FORMATS[kind](draw, raw)
    return in_bytes(draw, found, most=1) if draw.random() < 0.1 else found


def json_document(draw: Draw, raw: bytes) -> bytes:
    """Trees of XGBoost, CatBoost's JSON, and rows; now and then deeper than any reader should follow."""
    if draw.random() < 0.02:
        at = draw.randint(0, len(raw))
        return raw[:at] + b"[" * 50_000 + raw[at:]
    return as_json(in_document(draw, json.loads(raw)))


def ubjson_document(draw: Draw, raw: bytes) -> bytes:
    """The same trees, typed arrays included."""
    return ubjson.encode(in_document(draw, _plain(ubjson_reader.decode(raw))))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.tolist() if hasattr(value, "tolist") else value


def lightgbm_text(draw: Draw, raw: bytes) -> bytes:
    """Its lines are `name=value value …`."""

    def change(line: str) -> str:
        name, equals, values = line.partition("=")
        return name + equals + in_words(draw, values, " ") if equals else in_words(draw, line, " ")

    return "\n".join(in_lines(draw, raw.decode().split("\n"), change)).encode("utf-8", "surrogatepass")


def skops_archive(draw: Draw, raw: bytes) -> bytes:
    """Its schema, one of its arrays, or the archive around them."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    chosen = draw.choice(list(entries))
    action = draw.choice(("schema", "schema", "schema", "array", "array", "lose", "swap", "double"))
    if action == "schema":
        entries["schema.json"] = as_json(in_document(draw, json.loads(entries["schema.json"])))
    elif action == "array" and chosen.endswith(".npy"):
        entries[chosen] = numpy_array(draw, entries[chosen])
    elif action == "lose":
        del entries[chosen]
    elif action == "swap":
        other = draw.choice(list(entries))
        entries[chosen], entries[other] = entries[other], entries[chosen]
    else:
        entries[draw.choice((f"{chosen}x", "../" + chosen, "schema.json"))] = in_bytes(draw, entries[chosen])
    return _archive(draw, entries)


def _archive(draw: Draw, entries: dict[str, bytes]) -> bytes:
    into = io.BytesIO()
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(into, "w", draw.choice(methods)) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return into.getvalue()


def numpy_array(draw: Draw, raw: bytes) -> bytes:
    """Its header, the length of that, or the numbers."""
    size = int.from_bytes(raw[8:10], "little")
    try:
        header, data = ast.literal_eval(raw[10 : 10 + size].decode().strip()), raw[10 + size :]
    except (SyntaxError, UnicodeDecodeError):
        return in_bytes(draw, raw)
    action = draw.choice(("descr", "shape", "order", "numbers", "numbers", "data", "version", "length", "literal"))
    if action == "descr":
        header["descr"] = draw.choice((*DTYPES, [("a", "<f8"), ("b", "<f8")], 3))
    elif action == "shape":
        header["shape"] = draw.choice((*SHAPES, header["shape"][::-1], [6, 4], 24))
    elif action == "order":
        header["fortran_order"] = draw.choice((True, 1, None, "True"))
    elif action == "numbers":
        data = _with_numbers(draw, data)
    elif action == "data":
        data = draw.choice((data[: draw.randint(0, len(data))], data + data, data + b"\x00", b""))
    text = draw.choice(TEXTS) if action == "literal" else repr(header)
    return _npy(draw, action, text, data)


def _npy(draw: Draw, action: str, text: str, data: bytes) -> bytes:
    head = text.encode("utf-8", "replace")[:65000].ljust(117) + b"\n"
    version = draw.choice((b"\x01\x01", b"\x02\x00", b"\x03\x00", b"\xff\xff")) if action == "version" else b"\x01\x00"
    size = draw.choice((0, 1, 65535, len(head) - 1)) if action == "length" else len(head)
    return b"\x93NUMPY" + version + size.to_bytes(2, "little") + head + data


def _with_numbers(draw: Draw, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        if len(found) >= 8:
            at = draw.randrange(len(found) // 8) * 8
            word = (draw.choice(INTEGERS) % 2**64).to_bytes(8, "little")
            number = struct.pack("<d", draw.choice((float("nan"), float("inf"), 1e308, -1e308, 1e-320, 1e39)))
            found[at : at + 8] = draw.choice((word, number))
    return bytes(found)


def comma_separated(draw: Draw, raw: bytes) -> bytes:
    """Cells, lines, quotes, ends of lines, and the encoding."""
    lines = in_lines(draw, raw.decode().split("\n"), lambda line: in_words(draw, line, ","))
    quoted = [f'"{line}' if draw.random() < 0.03 else line for line in lines]
    text = draw.choice(("\n", "\n", "\n", "\r\n", "\r", "\n\n")).join(quoted)
    found = text.encode(draw.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), "replace")
    return found.replace(b",", draw.choice((b";", b"\t", b",,"))) if draw.random() < 0.1 else found


def json_lines(draw: Draw, raw: bytes) -> bytes:
    """Records or lists, one on each line: lines as such, or one of the documents."""
    lines = raw.decode().split("\n")
    if draw.random() < 0.5:
        return "\n".join(in_lines(draw, lines, lambda line: in_words(draw, line, ":"))).encode("utf-8", "replace")
    at = draw.randrange(len(lines))
    lines[at] = as_json(in_document(draw, json.loads(lines[at]))).decode()
    return "\n".join(lines).encode()


def blind(draw: Draw, raw: bytes) -> bytes:
    return in_bytes(draw, raw)


FORMATS: dict[str, Damage] = {
    "json": json_document,
    "ubjson": ubjson_document,
    "lightgbm": lightgbm_text,
    "binary": blind,
    "skops": skops_archive,
    "npy": numpy_array,
    "csv": comma_separated,
    "lines": json_lines,
    "parquet": binary_tables.parquet,
    "arrow": binary_tables.arrow,
    "arrow stream": binary_tables.arrow,
    "xlsx": binary_tables.xlsx,
}
