"""A server that misbehaves, over real sockets: what is tried again, when, and as what."""

import datetime
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import format_datetime

import numpy as np
import pytest

from shap_supervisor import Client, Refused, Unavailable, Unreachable
from shap_supervisor.exchange import FIRST_PAUSE_S, LONGEST_RETRY_AFTER_S, Answer, Lost, Whole, retry_pause

BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
ROWS = np.arange(300_000.0).reshape(-1, 3)
Act = Callable[[socket.socket], None]


def says(answer: bytes) -> Act:
    """Takes the whole request first."""

    def act(peer: socket.socket) -> None:
        peer.sendall(answer)

    return act


def accepted(body: dict[str, str]) -> Act:
    text = json.dumps(body).encode()
    return says(b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))


def hangs_up(peer: socket.socket) -> None:
    """At once, with a reset."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def half_an_answer(peer: socket.socket) -> None:
    peer.sendall(b'HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\n{"job')


class Server:
    """Plays one act for each connection, and keeps what it was sent and when."""

    def __init__(self, *acts: Act) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: list[str] = []
        self.bodies: list[int] = []
        self.times: list[float] = []
        self._thread = threading.Thread(target=self._play, args=(acts,))
        self._thread.start()

    def _play(self, acts: tuple[Act, ...]) -> None:
        for act in acts:
            peer, _ = self._listener.accept()
            with peer:
                self.times.append(time.monotonic())
                self._read(peer, only_head=act is hangs_up)
                act(peer)

    def _read(self, peer: socket.socket, *, only_head: bool) -> None:
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += peer.recv(65536)
        head, body = raw.split(b"\r\n\r\n", 1)
        fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
        self.heads.append(fields.get("idempotency-key", ""))
        size, wanted = len(body), int(fields.get("content-length", 0))
        while not only_head and size < wanted:
            size += len(peer.recv(65536))
        self.bodies.append(size)

    def close(self) -> None:
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def play() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*acts: Act) -> Server:
        servers.append(Server(*acts))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_one_job_whatever_becomes_of_its_requests(play: Callable[..., Server]) -> None:
    """The same key and the whole body each time; Retry-After is obeyed."""
    server = play(says(BUSY), hangs_up, half_an_answer, accepted({"job_id": "x"}))
    with Client(server.url) as client:
        assert client.submit("churn", ROWS).id == "x"
    assert len(set(server.heads)) == 1
    assert server.heads[0]
    whole = {server.bodies[at] for at in (0, 2, 3)}
    assert len(whole) == 1
    assert min(whole) > ROWS.nbytes
    assert server.times[1] - server.times[0] >= 1


def test_what_will_not_pass_is_not_tried_again(play: Callable[..., Server]) -> None:
    problem = b'{"code":"unknown_model","detail":"There is none.","status":404}'
    server = play(says(b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n%b" % (len(problem), problem)))
    with Client(server.url) as client, pytest.raises(Refused) as refused:
        client.submit("churn", ROWS)
    assert (refused.value.code, len(server.heads)) == ("unknown_model", 1)


def test_a_wait_without_end_is_not_waited_for(play: Callable[..., Server]) -> None:
    server = play(says(BUSY.replace(b": 1", b": 3600")))
    with Client(server.url) as client, pytest.raises(Unavailable):
        client.submit("churn", ROWS)


def test_who_never_answers_is_given_up(play: Callable[..., Server]) -> None:
    server = play(*[hangs_up] * 5)
    with Client(server.url) as client, pytest.raises(Unreachable, match="cannot be reached"):
        client.submit("churn", ROWS)
    assert len(server.heads) == 5


def answered(retry_after: str) -> Answer:
    return Answer("u", 503, {"retry-after": retry_after}, Whole())


def test_pauses_are_drawn_and_grow() -> None:
    first, later = ([retry_pause(Lost("u", "r"), attempt) or 0.0 for _ in range(200)] for attempt in (0, 3))
    assert len(set(first)) > 100
    assert 0 <= min(first) < max(first) <= FIRST_PAUSE_S < max(later) <= 8 * FIRST_PAUSE_S


def test_retry_after_is_a_number_or_a_date() -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=9)
    assert 7 < (retry_pause(answered(format_datetime(soon, usegmt=True)), 0) or 0) < 10
    assert 5 <= (retry_pause(answered("5"), 0) or 0) < 6
    assert (retry_pause(answered("tomorrow"), 0) or 0) < 1
    assert retry_pause(answered(str(int(LONGEST_RETRY_AFTER_S) + 1)), 0) is None
