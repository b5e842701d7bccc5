"""An upload's body (RFC 7578) as a stream that can be begun again: nothing of it is held. Pure."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard

Pieces = Callable[[], Iterator[bytes]]


class Part(NamedTuple):
    """A file or a field: `pieces` begins anew with each call; `size` is None where it shows only on the way."""

    name: str
    pieces: Pieces
    size: int | None
    is_file: bool = True
    plain: "Part | None" = None
    """The same in a format that every service reads, where this is in one that some do not."""


@dataclass(frozen=True)
class Body:
    """Bytes to send, with their media type."""

    media_type: str
    pieces: Pieces
    size: int | None

    def headers(self) -> dict[str, str]:
        length = {} if self.size is None else {"Content-Length": str(self.size)}
        return {"Content-Type": self.media_type, **length}


def whole(name: str, content: bytes, *, is_file: bool = True) -> Part:
    return Part(name, lambda: iter([content]), len(content), is_file)


def field(name: str, text: str) -> Part:
    return whole(name, text.encode(), is_file=False)


def is_url(given: object) -> TypeGuard[str]:
    """Whether it says where a file lies for the service to fetch, such as a presigned URL."""
    return isinstance(given, str) and given.startswith(("https://", "http://"))


def body(parts: Sequence[Part]) -> Body:
    """All parts, in their order."""
    boundary = secrets.token_hex(16)
    heads = [_head(part, boundary) for part in parts]
    end = f"--{boundary}--\r\n".encode()

    def pieces() -> Iterator[bytes]:
        for part, head in zip(parts, heads, strict=True):
            yield head
            yield from part.pieces()
            yield b"\r\n"
        yield end

    sizes = [part.size for part in parts]
    known = [size for size in sizes if size is not None]
    total = sum(known) + sum(len(head) + 2 for head in heads) + len(end)
    return Body(f"multipart/form-data; boundary={boundary}", pieces, total if len(known) == len(sizes) else None)


def _head(part: Part, boundary: str) -> bytes:
    name = f'; filename="{part.name}"' if part.is_file else ""
    media_type = "Content-Type: application/octet-stream\r\n" if part.is_file else ""
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"{name}\r\n{media_type}\r\n'.encode()
