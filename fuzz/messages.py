"""HTTP requests as bytes, whole or damaged: heads, multipart bodies, and what arrives on a bare socket. Pure.

Nothing here is held to what an HTTP client would let through. Does not know what a file holds: see `files`.
"""

from typing import NamedTuple

from fuzz.damage import INTEGERS, TEXTS, Draw, in_bytes

BOUNDARY = "fuzz-boundary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
JSON = "application/json"
Headers = list[tuple[str, str]]
HEADERS = (
    *("Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Type"),
    *("Cookie", "Expect", "Host", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Origin", "Prefer", "Range"),
    *("Sec-Fetch-Site", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "X-Forwarded-For", "X-HTTP-Method-Override"),
)
VALUES = (
    *(
        "*/*",
        "application/json;q=nan",
        "text/csv, */*;q=0",
        "application/x-npy",
        "text/event-stream",
        "gzip",
        "chunked",
    ),
    *(
        "Bearer ",
        "Bearer x",
        "close",
        "keep-alive, Upgrade",
        "100-continue",
        "200-ok",
        "end",
        "null",
        "http://evil.example",
    ),
    *("cross-site", "wait=1", "wait=0", "wait=-1", "wait=1e9", 'wait="1"', "wait=99999999999", "respond-async, wait=1"),
    *("multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'b' * 300}", MULTIPART),
    *("application/json; charset=utf-16", "bytes=0-0,-1", "h2c", "websocket", "evil.example:80", "127.0.0.1:0", "[::1"),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "BREW", "")


class Part(NamedTuple):
    """Of a multipart body; a `filename` of None is a field's."""

    name: str
    content: bytes
    filename: str | None = "file"


def request(method: str, target: str, headers: Headers, body: bytes = b"", *, length: str | None = None) -> bytes:
    """A whole request, whose connection is closed after it; `length` lies about the body's."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    named = {name.lower() for name, _ in headers}
    if "host" not in named:
        lines.append("Host: 127.0.0.1")
    if "connection" not in named:
        lines.append("Connection: close")
    if body or length is not None:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + body


def multipart(parts: list[Part]) -> bytes:
    lines = [_part(part) for part in parts]
    return b"".join([*lines, f"--{BOUNDARY}--\r\n".encode()])


def _part(part: Part) -> bytes:
    filename = "" if part.filename is None else f'; filename="{part.filename}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part.name}"{filename}\r\n\r\n'
    return head.encode("utf-8", "replace") + part.content + b"\r\n"


def damaged_multipart(draw: Draw, parts: list[Part]) -> bytes:
    """Parts lost, doubled or renamed; or what holds them together."""
    found = list(parts)
    action = draw.choice(("parts", "name", "joints", "joints", "bytes", "head", "cut"))
    if action == "parts":
        found = draw.choices(parts, k=draw.randint(0, 2 * len(parts)))
    elif action == "name":
        at = draw.randrange(len(found))
        names = ("", "data", "model", "background", "expected", "options", "model_id", *TEXTS)
        found[at] = found[at]._replace(name=draw.choice(names), filename=draw.choice((None, *TEXTS)))
    body = multipart(found)
    if action == "joints":
        joint = draw.choice((b"\r\n", b"--", BOUNDARY.encode(), b"\r\n\r\n", b"Content-Disposition", b'"', b"; "))
        body = body.replace(
            joint, draw.choice((b"", b"\n", b"\r", joint + joint, b"\x00", joint[:-1])), draw.randint(1, 3)
        )
    elif action == "bytes":
        body = in_bytes(draw, body)
    elif action == "head":
        name = draw.choice((*HEADERS[:8], "Content-Transfer-Encoding", "a" * 9000, ""))
        line = f"{name}: {draw.choice((*VALUES, *TEXTS))}\r\n".encode("utf-8", "replace")
        body = body.replace(b"Content-Disposition", line * draw.choice((1, 2, 200)) + b"Content-Disposition", 1)
    elif action == "cut":
        body = body[: draw.randint(0, len(body))]
    return body


def odd_headers(draw: Draw, most: int = 4) -> Headers:
    """Known names with values that belong to one of them, numbers, or worse."""
    names = [draw.choice(HEADERS) for _ in range(draw.randint(1, most))]
    return [
        (name, str(draw.choice((draw.choice(VALUES), draw.choice(INTEGERS), draw.choice(TEXTS))))) for name in names
    ]


def bare(draw: Draw, whole: bytes) -> bytes:
    """What a socket carries when no client library is in the way; `whole` is a request."""
    head, _, body = whole.partition(b"\r\n\r\n")
    kind = draw.choice(("half", "pipelined", "chunks", "fields", "long", "bytes", "noise", "versions", "trailers"))
    chunked = head + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    match kind:
        case "half":
            return whole[: draw.randint(0, len(whole))]
        case "pipelined":
            return whole.replace(b"Connection: close", b"X: y") * draw.choice((2, 5, 20))
        case "chunks":
            size = draw.choice((b"-1", b"0x5", b"fffffffffffffffff", b"5;a=b", b"", b"g", b"%x" % len(body)))
            return chunked + size + b"\r\n" + body + draw.choice((b"\r\n0\r\n\r\n", b"\n0\n\n", b""))
        case "fields":
            return head + b"\r\nX: y" * draw.choice((90, 99, 101, 5000)) + b"\r\n\r\n" + body
        case "long":
            return (
                head.replace(b" HTTP/1.1", b"?" + b"a" * draw.choice((8000, 8192, 9000, 40_000)) + b" HTTP/1.1", 1)
                + b"\r\n\r\n"
            )
        case "bytes":
            return in_bytes(draw, whole)
        case "noise":
            return draw.randbytes(draw.randint(0, 2000))
        case "versions":
            odd = (b"HTTP/0.9", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"http/1.1", b"")
            return whole.replace(b"HTTP/1.1", draw.choice(odd), 1)
    return chunked + b"0\r\n" + b"T: v\r\n" * draw.choice((1, 101, 20_000)) + b"\r\n"
