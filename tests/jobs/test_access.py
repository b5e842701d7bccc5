"""Whether Redis lets us in: only a refusal counts, and it says what to do."""

from collections.abc import Iterator

import pytest
import redis

from jobs.access import ADVICE, access_denied
from jobs.settings import Settings
from tests.ports import free_port


@pytest.fixture
def users(valkey_url: str) -> Iterator[str]:
    """Two users: one for all that we need, and one who may not run scripts."""
    with redis.Redis.from_url(valkey_url) as client:
        client.execute_command("ACL SETUSER us on >right ~shap:* +@all")
        client.execute_command("ACL SETUSER other on >right ~shap:* +get")
        yield valkey_url.split("//", 1)[1]
        client.execute_command("ACL DELUSER us other")


def test_who_may_do_all_is_let_in(users: str) -> None:
    assert access_denied(Settings(redis_url=f"redis://us:right@{users}")) is None


@pytest.mark.parametrize(("login", "reason"), [("us:wrong", "invalid username-password"), ("other:right", "eval")])
def test_a_refusal_is_named_without_the_password(users: str, login: str, reason: str) -> None:
    said = access_denied(Settings(redis_url=f"redis://{login}@{users}"))
    assert said
    assert reason in said.lower()
    assert said.endswith(ADVICE)
    assert login.split(":")[1] not in said.replace(ADVICE, "")


def test_a_redis_that_is_away_is_waited_for_elsewhere() -> None:
    assert access_denied(Settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")) is None
