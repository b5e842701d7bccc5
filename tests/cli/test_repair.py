"""`repair` against a Redis, as an operator runs it."""

import json
from typing import Any

import redis


def test_repair_lists_and_then_mends(command: Any, valkey_url: str) -> None:
    env = {"REDIS_URL": valkey_url}
    whole = command("repair", env=env)
    assert (whole.returncode, whole.stdout.strip()) == (0, "Nothing is wrong.")
    with redis.Redis.from_url(valkey_url) as client:
        client.hset("shap:blob:x", "0", "x")
        client.rpush("shap:ready", "gone")
        listed = command("repair", "--json", env=env)
        assert listed.returncode == 1
        assert [json.loads(line)["code"] for line in listed.stdout.splitlines()] == ["not_ready", "orphaned_blob"]
        assert client.exists("shap:blob:x", "shap:ready") == 2, "a dry run by default"
        mended = command("repair", "--apply", env=env)
        assert mended.returncode == 0
        assert "2 mended" in mended.stdout
        assert not client.exists("shap:blob:x", "shap:ready")


def test_repair_names_a_store_that_is_away(command: Any) -> None:
    ended = command("repair", env={"REDIS_URL": "redis://:hidden@127.0.0.1:1/0"})
    assert ended.returncode == 3
    assert "127.0.0.1:1" in ended.stderr
    assert "hidden" not in ended.stderr
    assert "Traceback" not in ended.stderr
