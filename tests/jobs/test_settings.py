"""The environment is read once, and all that is wrong with it is said at once."""

from pathlib import Path

import pytest

from jobs.settings import InvalidSettings, load_settings


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = load_settings({})
    assert settings.shap_batch_size == 500
    assert settings.redis_health_check_interval == 30
    assert settings.aggressive_memory_management is True
    assert settings.lease_s == 15.0
    assert settings.host == "127.0.0.1"
    assert settings.child_memory_bytes is None


def test_values_are_read_and_empty_ones_are_unset() -> None:
    env = {"SHAP_BATCH_SIZE": "auto", "CHILD_MEMORY_MB": "96", "PORT": "", "LOG_LEVEL": "debug", "LEASE_S": "2.5"}
    settings = load_settings(env)
    assert settings.shap_batch_size == "auto"
    assert settings.child_memory_bytes == 96 * 1024 * 1024
    assert settings.port == 8000
    assert settings.log_level == "DEBUG"
    assert settings.lease_s == 2.5


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("Yes", True), ("FALSE", False), ("0", False), ("off", False)]
)
def test_booleans_are_read_as_people_write_them(text: str, value: bool) -> None:
    assert load_settings({"AGGRESSIVE_MEMORY_MANAGEMENT": text}).aggressive_memory_management is value


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    env = {
        "SHAP_BATCH_SIZE": "0",
        "PORT": "http",
        "LEASE_S": "-1",
        "LOG_FORMAT": "xml",
        "REDIS_URL": "http://example",
        "TRUSTED_MODEL_DIR": str(tmp_path / "none"),
        "HOST": "0.0.0.0",
    }
    with pytest.raises(InvalidSettings) as caught:
        load_settings(env)
    for name in env:
        assert sum(fault.startswith(name) for fault in caught.value.faults) == 1, name


def test_without_tokens_only_loopback_is_allowed() -> None:
    with pytest.raises(InvalidSettings, match="API_TOKEN and ADMIN_TOKEN"):
        load_settings({"HOST": "0.0.0.0"})
    with pytest.raises(InvalidSettings, match="ADMIN_TOKEN"):
        load_settings({"HOST": "0.0.0.0", "API_TOKEN": "a"})
    assert load_settings({"HOST": "0.0.0.0", "API_TOKEN": "a", "ADMIN_TOKEN": "b"}).host == "0.0.0.0"


def test_secrets_do_not_get_into_messages() -> None:
    settings = load_settings({"REDIS_URL": "rediss://user:secret@redis.example:6380/2"})
    assert settings.redis_address == "rediss://redis.example:6380/2"
    assert load_settings({"REDIS_URL": "unix:///run/redis.sock"}).redis_address == "unix:///run/redis.sock"
    assert load_settings({}).redis_address == "redis://127.0.0.1:6379/0"
    with pytest.raises(InvalidSettings) as caught:
        load_settings({"REDIS_URL": "ftp://user:secret@redis.example"})
    assert "secret" not in str(caught.value)
