"""Who asks for a large result and does not read it: many of them at once, beside others who want to be served."""

import contextlib
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import CSV, Web
from tests.api.player import Player
from tests.api.test_door import LAST, Serve, answer, served
from tests.api.test_process import LIMIT_BYTES, MIB, await_that, job_id_of, post, submission, zeros

__all__ = ["served"]
READERS, LAVISH_BYTES = 256, 12 * MIB
FEATURES = [f"f{number}" for number in range(64)]
FORMATS = ("application/json", "text/csv", "application/x-npy")


@contextlib.contextmanager
def reading(web: Web, job_id: str, count: int) -> Iterator[list[socket.socket]]:
    """So many connections that have asked for the values, and read the head of the answer."""
    with contextlib.ExitStack() as opened:
        found = []
        for number in range(count):
            reader = socket.socket()
            opened.enter_context(reader)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(60)
            reader.connect(("127.0.0.1", web.port))
            accept = FORMATS[number % len(FORMATS)]
            reader.sendall(
                f"GET /jobs/{job_id}/result HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode()
            )
            found.append(reader)
        yield found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_slow_readers_of_large_results(web: Web, player: Player) -> None:
    """They have all connections, and others are served nevertheless: who reads nothing gives way."""
    job_id = job_id_of(post(web, b"".join(submission(iter([CSV])))))
    player.finish(job_id, zeros(20_000 * 64 * 8), rows=20_000, features=FEATURES)
    with reading(web, job_id, READERS) as readers:
        assert select.select([readers[0]], [], [], 60)[0], "the first are being answered"
        for _ in range(5):
            assert web.get("/livez").status == 200
            assert post(web, b"".join(submission(iter([CSV])))).status == 202
        assert web.memory("VmHWM") < LIMIT_BYTES


async def lavish(_: Any, receive: Any, send: Any) -> None:
    """An app that answers with more than any socket holds."""
    await answer(send, bytes(LAVISH_BYTES))


def asked(port: int) -> socket.socket:
    """A connection that has asked, and reads nothing."""
    found = socket.create_connection(("127.0.0.1", port), timeout=20)
    found.sendall(LAST)
    assert found.recv(1)
    return found


def rest(connection: socket.socket) -> int:
    """Bytes until the other side is done, or has given up."""
    size = 1
    while piece := connection.recv(MIB):
        size += len(piece)
    return size


def test_an_answer_that_nobody_reads_is_given_up(served: Serve) -> None:
    with asked(served(lavish, STALL_S=0.2)) as connection:
        time.sleep(0.6)
        assert rest(connection) < LAVISH_BYTES


def test_an_answer_that_is_read_slowly_is_not(served: Serve) -> None:
    with asked(served(lavish, STALL_S=1.0)) as connection:
        size, began = 1, time.monotonic()
        while time.monotonic() - began < 2:
            size += len(connection.recv(256 * 1024))
            time.sleep(0.05)
        assert size + rest(connection) > LAVISH_BYTES


def test_answers_that_wait_are_bounded_together(served: Serve) -> None:
    port = served(lavish, UNREAD_BYTES=LAVISH_BYTES * 3 // 2)
    with asked(port) as first, asked(port) as second:
        assert rest(first) < LAVISH_BYTES
        assert rest(second) > LAVISH_BYTES


def test_the_kernel_takes_little_ahead(served: Serve) -> None:
    """Memory of sockets is the machine's, and counted in containers."""
    with asked(served(lavish)) as connection:
        port, peer = connection.getpeername()[1], connection.getsockname()[1]
        await_that(lambda: 0 < unsent(port, peer) < MIB)


def unsent(port: int, peer: int) -> int:
    """Bytes that the server's end of a connection holds, by /proc/net/tcp."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_rest = line.split()
        if int(local.split(":")[1], 16) == port and int(remote.split(":")[1], 16) == peer:
            return int(queues.split(":")[0], 16)
    return 0
