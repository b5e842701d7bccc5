"""JSON text into Python's values: quickly where it is plain, and with a cause and its byte where it is not. Used in
children.

Does not cover where in a file the text stands: callers tell its first byte.
"""

import json
import re
from typing import Any

import msgspec

from child.rows.json_brackets import malformed
from jobs.errors import NotUtf8

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Two of them escape one character; one alone is none, and no message could hold it."""


def parse_list(raw: bytes, field: str, start: int) -> list[Any]:
    """A list: quickly where it is plain JSON, and again with the standard library for NaN and for a cause."""
    try:
        rows: list[Any] = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        rows = parse(raw, field, start)
    return rows


def parse(raw: bytes, field: str, start: int) -> Any:
    """Any value. Raises MalformedJson with the byte, counted from `start`, also for a key twice, and NotUtf8."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_record)
        if _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise malformed(field, r"text with half of a \u pair", start) from None
    except json.JSONDecodeError as error:
        raise malformed(field, error.msg, start + len(error.doc[: error.pos].encode())) from None
    except UnicodeDecodeError as error:
        raise NotUtf8(field=field, position=start + error.start) from None
    except (ValueError, RecursionError) as error:
        raise malformed(field, str(error), start) from None
    return value


def _record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a record with the same key twice")
    return record
