"""A stand-in for S3: the few requests that an object store of ours makes, over HTTP, kept in memory.

Does not check signatures. Requests: PUT, GET with Range, HEAD, DELETE, POST ?delete, and GET ?list-type=2 with a
delimiter, in pages of PAGE.
"""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "bucket"
PAGE = 3
NOT_FOUND = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"


class S3:
    """`with S3() as s3: ... s3.objects`; `s3.env` is for a process that should use it."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.failing = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"s3": self}))
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.env = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "very-secret",
            "AWS_REGION": "us-east-1",
        }

    def __enter__(self) -> "S3":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3: S3

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "ETag": '"e"', **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _key(self) -> str:
        bucket, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        return key if bucket == BUCKET else f"no such bucket: {bucket}"

    def _refused(self) -> bool:
        wrong = self._key().startswith("no such bucket")
        if wrong or self.s3.failing:
            self._body()
            self._answer(404 if wrong else 403, b"<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>")
        return wrong or self.s3.failing

    def do_PUT(self) -> None:
        if not self._refused():
            self.s3.objects[self._key()] = self._body()
            self._answer(200)

    def do_GET(self) -> None:
        if self._refused():
            return
        if "list-type" in urlsplit(self.path).query:
            self._list({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
            return
        content = self.s3.objects.get(self._key())
        if content is None:
            self._answer(404, NOT_FOUND)
        elif asked := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
            span = f"bytes {first}-{last}/{len(content)}"
            self._answer(206, content[first : last + 1], Content_Range=span, Last_Modified=DATE)
        else:
            self._answer(200, content, Last_Modified=DATE)

    def do_DELETE(self) -> None:
        if not self._refused():
            self.s3.objects.pop(self._key(), None)
            self._answer(204)

    def do_POST(self) -> None:
        if self._refused():
            return
        keys = re.findall(r"<Key>(.*?)</Key>", self._body().decode())
        for key in keys:
            self.s3.objects.pop(key, None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def _list(self, query: dict[str, str]) -> None:
        prefix, delimiter, after = query.get("prefix", ""), query.get("delimiter"), query.get("continuation-token", "")
        names = sorted({_rolled_up(key, prefix, delimiter) for key in self.s3.objects if key.startswith(prefix)})
        left = [name for name in names if name > after]
        page = left[:PAGE]
        parts = [
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            if delimiter and name.endswith(delimiter)
            else f"<Contents><Key>{escape(name)}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z"
            f'</LastModified><ETag>"e"</ETag></Contents>'
            for name in page
        ]
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(left) > PAGE else ""
        truncated = str(bool(more)).lower()
        xml = f"<ListBucketResult>{''.join(parts)}<IsTruncated>{truncated}</IsTruncated>{more}</ListBucketResult>"
        self._answer(200, xml.encode())


DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


def _rolled_up(key: str, prefix: str, delimiter: str | None) -> str:
    """With a delimiter, everything below a folder counts as the folder."""
    rest = key.removeprefix(prefix)
    folder, found, _ = rest.partition(delimiter) if delimiter else (rest, "", "")
    return f"{prefix}{folder}{found}" if found else key
