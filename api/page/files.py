"""GET /docs and /page/{name}: the web page and its files, which lie beside this module. Used in the web process.

Whether a client gets the page or JSON at / is for `app` to say. A browser asks again for each file and is answered 304
while it has not changed. No script or style may come from elsewhere or stand in the HTML: `POLICY` says so.
"""

import asyncio
import gzip
import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.routes import Answer, Routes
from jobs.errors import NotFound

HERE = Path(__file__).parent
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HTML = MEDIA_TYPES[".html"]
_NAME = re.compile(r"[a-z]+\.(css|js|svg)", re.ASCII)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept, Accept-Encoding",
}
routes = Routes(None)


class _Packed(NamedTuple):
    """A file as most browsers take it."""

    gzipped: bytes
    etag: str


@routes.get(
    "/docs", "getDocs", "This interface as a page, to read and to try", Answer("The page.", content={HTML: str})
)
async def docs(request: Request) -> Response:
    """The same frame as /, whose script looks at the address."""
    return await answer(request, "index.html")


@routes.get(
    "/page/{name}",
    "getPageFile",
    "A file of the page",
    Answer("The file.", content={media_type: str for media_type in MEDIA_TYPES.values() if media_type != HTML}),
    Answer("The one that the browser has is still good.", status=304),
)
async def file(request: Request) -> Response:
    """Raises NotFound."""
    name = request.path_params["name"]
    if not (_NAME.fullmatch(name) and (HERE / name).is_file()):
        raise NotFound(path=request.url.path)
    return await answer(request, name)


async def answer(request: Request, name: str) -> Response:
    """A file that is there: gzipped where the client takes that."""
    path = HERE / name
    packed = await asyncio.to_thread(_pack, path, path.stat().st_mtime_ns)
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    etag = f'"{packed.etag}-gzip"' if takes_gzip else f'"{packed.etag}"'
    headers = {**HEADERS, "ETag": etag}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if takes_gzip:
        headers["Content-Encoding"] = "gzip"
    body = packed.gzipped if takes_gzip else path.read_bytes()
    return Response(body, headers=headers, media_type=MEDIA_TYPES[path.suffix])


@lru_cache(maxsize=64)
def _pack(path: Path, _changed_ns: int) -> _Packed:
    """Once for each state of a file: only what is sent is kept."""
    content = path.read_bytes()
    return _Packed(gzip.compress(content, mtime=0), hashlib.sha256(content).hexdigest()[:20])
