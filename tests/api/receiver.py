"""A host beside the service: keeps what it is sent, and answers as a test tells it to."""

import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

HANGS_UP = -1
"""In the place of a status: the connection ends without an answer."""


class Received(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """On a loopback address. As a context it runs."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.received: list[Received] = []
        self.answers: deque[tuple[int, dict[str, str], bytes]] = deque()
        """What the next requests get; 200 when there is none left."""
        self.files: dict[str, bytes] = {}
        self._came = threading.Condition()
        self._server = ThreadingHTTPServer((host, 0), self._handler())
        self.address = f"{host}:{self._server.server_address[1]}"
        self.url = f"http://{self.address}"

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def until(self, count: int, seconds: float = 30.0) -> list[Received]:
        """What has come, as soon as it is so many."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.received) >= count, seconds), self.received
            return list(self.received)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver._came:
                    receiver.received.append(Received(self.command, self.path, headers, body))
                    receiver._came.notify_all()
                status, extra, content = receiver._next(self.path)
                if status == HANGS_UP:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **extra}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_: object) -> None:
                """Not in tests."""

        return Handler

    def _next(self, path: str) -> tuple[int, dict[str, str], bytes]:
        return self.answers.popleft() if self.answers else (200, {}, self.files.get(path.partition("?")[0], b""))
