"""gzip and Zstandard, unpacked as bytes come: parts by their first bytes, whole bodies by Content-Encoding.

Used in the web process, which holds a piece of what comes out at a time. What counts against MAX_UPLOAD_MB is what came
out. Does not look into it: see `sniffing`.
"""

import contextlib
import importlib
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Protocol

from api.store_watch import StoreWatch
from jobs.errors import BadCompression, UnsupportedMediaType
from jobs.protocol import PIECE_BYTES

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
MAGIC_BYTES = len(ZSTD)
NO_ZSTD = "Zstandard, which this service does not unpack without the extra `zstd` (pip install shap-supervisor[zstd]),"
FREE_MEMBERS, MEMBER_BYTES = 1_000, 1_024
"""Members or frames of one upload, and how many bytes each one more of them must have on an average: to begin one costs
much more than to read such a byte, and empty ones would keep this process busy for minutes.
"""
LARGEST_WINDOW = 23
"""As a power of two, of a Zstandard frame: 8 MB, what its levels up to 19 take."""


class Unpacker(Protocol):
    """Raises BadCompression."""

    packed: bool

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out, PIECE_BYTES at most at once."""

    def close(self) -> None:
        """Where the bytes end."""


class Plain:
    """What is not compressed."""

    packed = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def close(self) -> None:
        """Nothing is missing."""


class Member(Protocol):
    """One gzip member or one Zstandard frame."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What it raises for bytes that are none."""

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """What comes out, PIECE_BYTES at most at once."""

    @property
    def at_end(self) -> bool: ...

    @property
    def rest(self) -> bytes:
        """What followed its end."""


class Compressed:
    """Members or frames, one after the other."""

    packed = True

    def __init__(self, field: str, name: str, begin: Callable[[], Member]) -> None:
        self._field, self._name, self._begin = field, name, begin
        self._member: Member | None = None
        self._members_left = float(FREE_MEMBERS)

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._members_left += len(data) / MEMBER_BYTES
        while data:
            data = data if self._member else data.lstrip(b"\0")  # gzip files may be padded
            if not data:
                return
            member = self._member = self._member or self._next_member()
            try:
                yield from member.unpack(data)
            except member.failures as error:
                raise self._bad(str(error)) from None
            data = member.rest if member.at_end else b""
            self._member = None if member.at_end else member

    def _next_member(self) -> Member:
        self._members_left -= 1
        if self._members_left < 0:
            raise self._bad("it is cut into too many small pieces; compress it as one")
        return self._begin()

    def close(self) -> None:
        if self._member:
            raise self._bad("it ends too early")

    def _bad(self, reason: str) -> BadCompression:
        return BadCompression(field=self._field, name=self._name, reason=reason)


class GzipMember:
    failures = (zlib.error,)

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def unpack(self, data: bytes) -> Iterator[bytes]:
        while data and not self._stream.eof:
            yield self._stream.decompress(data, PIECE_BYTES)
            data = self._stream.unconsumed_tail

    @property
    def at_end(self) -> bool:
        return self._stream.eof

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data


class ZstdFrame:
    def __init__(self, zstd: Any) -> None:
        options = {zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW}
        self._stream = zstd.ZstdDecompressor(options=options)
        self.failures: tuple[type[Exception], ...] = (zstd.ZstdError,)

    def unpack(self, data: bytes) -> Iterator[bytes]:
        yield self._stream.decompress(data, PIECE_BYTES)
        while not (self._stream.eof or self._stream.needs_input):
            yield self._stream.decompress(b"", PIECE_BYTES)

    @property
    def at_end(self) -> bool:
        return bool(self._stream.eof)

    @property
    def rest(self) -> bytes:
        return bytes(self._stream.unused_data)


def by_content(head: bytes, field: str) -> Unpacker:
    """What the first MAGIC_BYTES ask for. Raises UnsupportedMediaType."""
    if head.startswith(GZIP):
        return by_name("gzip", field)
    return by_name("zstd", field) if head.startswith(ZSTD) else Plain()


def by_name(encoding: str, field: str) -> Unpacker:
    """A Content-Encoding. Raises UnsupportedMediaType."""
    if encoding in {"gzip", "x-gzip"}:
        return Compressed(field, "gzip", GzipMember)
    if encoding == "zstd":
        zstd = _zstd()
        if zstd is None:
            raise UnsupportedMediaType(field=field, found=NO_ZSTD, supported="gzip, or what is not compressed")
        return Compressed(field, "Zstandard", lambda: ZstdFrame(zstd))
    if encoding in {"", "identity"}:
        return Plain()
    raise UnsupportedMediaType(field=field, found=f"Content-Encoding {encoding[:80]}", supported="gzip, zstd, identity")


async def unpacked(
    body: AsyncIterator[bytes], unpacker: Unpacker, check_store: Callable[[], Awaitable[None]]
) -> AsyncIterator[bytes]:
    """A body as it was before it was compressed, and a look at the store now and then, as nobody announced that much.

    It ends with an empty piece, as bodies do. Raises BadCompression and StorageFull.
    """
    watch = StoreWatch(check_store)
    async for data in body:
        for piece in unpacker.feed(data):
            await watch.passed(len(piece) * unpacker.packed)
            if piece:
                yield piece
    unpacker.close()
    yield b""


def _zstd() -> Any:
    """The module, or None: only Python 3.14 brings it."""
    for name in ("compression.zstd", "backports.zstd"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    return None
