"""gzip and Zstandard around what is sent: whole, broken, in many pieces, or much more than it looks. Pure.

Does not know what is inside.
"""

import contextlib
import functools
import gzip
import importlib
from collections.abc import Callable
from typing import Any

from fuzz.damage import Draw, in_bytes

GZIP = "gzip"
EMPTY_MEMBERS = 3000
BOMB_BYTES = (1 << 20, 24 << 20)
"""Below what a campaign's service takes, and above; see `service.environment`."""


def _zstd() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    return None


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {GZIP: functools.partial(gzip.compress, compresslevel=1, mtime=0)}
"""By the name of their Content-Encoding: those that this installation unpacks."""
if zstd := _zstd():
    ENCODINGS["zstd"] = zstd.compress


def packed(draw: Draw, raw: bytes) -> tuple[str, bytes]:
    """Content-Encoding, and the same bytes in one piece or in two."""
    name = draw.choice(list(ENCODINGS))
    cut = draw.choice((0, draw.randint(0, len(raw))))
    pieces = [piece for piece in (raw[:cut], raw[cut:]) if piece]
    return name, b"".join(map(ENCODINGS[name], pieces))


def damaged(draw: Draw, raw: bytes) -> tuple[str, bytes]:
    """Something that is said to be packed, and is not quite."""
    name, found = packed(draw, raw)
    return draw.choice((name, name, name, *_NAMES)), draw.choice(_DAMAGE)(draw, name, found, raw)


_NAMES = ("gzip", "zstd", "x-gzip", "identity", "br", "deflate", "gzip, zstd", "", "*", "gzip;q=1")


def _broken(draw: Draw, _: str, found: bytes, __: bytes) -> bytes:
    return in_bytes(draw, found, most=3)


def _cut(draw: Draw, _: str, found: bytes, __: bytes) -> bytes:
    return found[: draw.randint(0, len(found))]


def _twice(_: Draw, name: str, found: bytes, __: bytes) -> bytes:
    return ENCODINGS[name](found)


def _followed(draw: Draw, name: str, found: bytes, raw: bytes) -> bytes:
    """By padding, by another member, by nothing many times, or by what is not packed at all."""
    return found + draw.choice((bytes(5), bytes(70_000), ENCODINGS[name](b"") * EMPTY_MEMBERS, found, raw[:50]))


def _other(draw: Draw, _: str, found: bytes, raw: bytes) -> bytes:
    """Packed in another way: what names it and what it is differ."""
    return ENCODINGS[draw.choice(list(ENCODINGS))](raw) + found


def _bomb(draw: Draw, name: str, _: bytes, raw: bytes) -> bytes:
    """Its beginning, and then the same line for long; kept, as making it takes as long as unpacking it."""
    end = raw[raw.rstrip(b"\r\n").rfind(b"\n") + 1 :][:80] or b"0"
    return ENCODINGS[name](raw) + _same(name, draw.choice((b"0", b"\n" + end)), draw.choice(BOMB_BYTES))


@functools.lru_cache(maxsize=8)
def _same(name: str, unit: bytes, size: int) -> bytes:
    return ENCODINGS[name](unit * (size // len(unit)))


_DAMAGE: tuple[Callable[[Draw, str, bytes, bytes], bytes], ...] = (
    *[_broken] * 4,
    *[_cut] * 2,
    *[_followed] * 2,
    _twice,
    _other,
    _bomb,
)
