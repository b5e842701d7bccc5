"""The environment is read once, and all that is wrong with it is said at once."""

from pathlib import Path

import msgspec
import pytest

from jobs.settings import InvalidSettings, load_settings

DEFAULTS = {
    "redis_url": "redis://127.0.0.1:6379/0",
    "redis_health_check_interval": 30,
    "shap_batch_size": 500,
    "aggressive_memory_management": True,
    "child_memory_mb": None,
    "memory_limit_mb": None,
    "worker_slots": None,
    "chunk_timeout_s": 600.0,
    "chunk_max_attempts": 3,
    "lease_s": 15.0,
    "drain_grace_s": 25.0,
    "supervisor_name": None,
    "sample_rows": 1000,
    "blob_url": None,
    "job_ttl_s": 86400,
    "max_upload_mb": 1024,
    "upload_silence_s": 30.0,
    "api_token": None,
    "api_tokens": None,
    "admin_token": None,
    "caller_waiting_jobs": 10_000,
    "caller_stored_mb": 4_096,
    "caller_requests_per_minute": 12_000,
    "sandbox": "auto",
    "trusted_model_dir": None,
    "model_cache_dir": None,
    "model_cache_mb": 1024,
    "allowed_hosts": (),
    "cors_origins": (),
    "callback_hosts": (),
    "callback_secret": None,
    "host": "127.0.0.1",
    "port": 8000,
    "log_level": "INFO",
    "log_format": None,
}


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    assert msgspec.structs.asdict(load_settings({})) == DEFAULTS


def test_sizes_are_bytes_inside() -> None:
    settings = load_settings({"CHILD_MEMORY_MB": "3", "MEMORY_LIMIT_MB": "5"})
    assert (settings.child_memory_bytes, settings.memory_limit_bytes) == (3 * 1024**2, 5 * 1024**2)
    assert (settings.max_upload_bytes, settings.model_cache_bytes) == (1024**3, 1024**3)
    assert settings.caller_stored_bytes == 4 * 1024**3
    unset = load_settings({})
    assert (unset.child_memory_bytes, unset.memory_limit_bytes) == (None, None)


@pytest.mark.parametrize(
    ("name", "smallest", "too_small"),
    [
        ("REDIS_HEALTH_CHECK_INTERVAL", "0", "-1"),
        ("SHAP_BATCH_SIZE", "1", "0"),
        ("CHUNK_TIMEOUT_S", "0.001", "0"),
        ("LEASE_S", "1", "0.9"),
        ("DRAIN_GRACE_S", "0", "-0.1"),
        ("PORT", "0", "-1"),
        ("MODEL_CACHE_MB", "1", "0"),
        ("CALLER_WAITING_JOBS", "0", "-1"),
        ("CALLER_STORED_MB", "0", "-1"),
        ("CALLER_REQUESTS_PER_MINUTE", "0", "-1"),
    ],
)
def test_the_smallest_that_is_taken(name: str, smallest: str, too_small: str) -> None:
    load_settings({name: smallest})
    with pytest.raises(InvalidSettings, match=name):
        load_settings({name: too_small})


@pytest.mark.parametrize("secret", ["short", "whsec_" + "A" * 28, "not base64 " * 4, "A" * 33])
def test_a_secret_that_signs_must_be_one(secret: str) -> None:
    with pytest.raises(InvalidSettings, match="CALLBACK_SECRET: it must be base64") as caught:
        load_settings({"CALLBACK_SECRET": secret})
    assert secret not in str(caught.value)


@pytest.mark.parametrize("prefix", ["", "whsec_"])
def test_a_secret_of_24_bytes_is_enough(prefix: str) -> None:
    assert load_settings({"CALLBACK_SECRET": prefix + "A" * 32}).callback_secret == prefix + "A" * 32


def test_only_who_listens_needs_tokens() -> None:
    """The image says HOST=0.0.0.0 to both processes; a worker gets no token."""
    assert load_settings({"HOST": "0.0.0.0"}, listens=False).host == "0.0.0.0"
    with pytest.raises(InvalidSettings, match="without API_TOKEN and ADMIN_TOKEN"):
        load_settings({"HOST": "0.0.0.0"})


def test_ports_and_names_have_an_end() -> None:
    assert load_settings({"PORT": "65535", "SUPERVISOR_NAME": "a" * 100}).port == 65535
    for env in ({"PORT": "65536"}, {"SUPERVISOR_NAME": "a" * 101}, {"SUPERVISOR_NAME": "a/b"}):
        with pytest.raises(InvalidSettings):
            load_settings(env)


def test_a_child_gets_less_than_the_machine_has() -> None:
    load_settings({"CHILD_MEMORY_MB": "99", "MEMORY_LIMIT_MB": "100"})
    with pytest.raises(InvalidSettings, match="smaller than MEMORY_LIMIT_MB=100"):
        load_settings({"CHILD_MEMORY_MB": "100", "MEMORY_LIMIT_MB": "100"})


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
    assert load_settings({"HOST": "0.0.0.0", "API_TOKENS": "x=a", "ADMIN_TOKEN": "b"}).host == "0.0.0.0"


def test_faults_of_callers_are_named_at_once_and_never_a_token() -> None:
    env = {"API_TOKENS": "alice=s3cret,bob=s3cret,=s3cret,alice=,s3cret,x=adm1n", "ADMIN_TOKEN": "adm1n", "PORT": "x"}
    with pytest.raises(InvalidSettings) as caught:
        load_settings(env)
    assert [fault.split(" ")[2] for fault in caught.value.faults if fault.startswith("API_TOKENS: entry")] == [
        *("2", "3", "3", "4", "4", "5", "6")
    ]
    assert any(fault.startswith("PORT") for fault in caught.value.faults)
    assert not {"s3cret", "adm1n"} & set(str(caught.value).replace("=", " ").split())


@pytest.mark.parametrize(
    "login",
    [
        ":o1@o2",
        ":o1/o2",
        ":o1#o2",
        ":o1:o2",
        ":o1?o2",
        "us:o1@o2/o3#o4:o5",
        "us:o1:o2",
        "us:[o1",
        ":o1/o2@o3",
        ":o1@o2:o3/o4",
    ],
)
@pytest.mark.parametrize("rest", ["redis.example:6379/0", "redis.example", "[::1]:6379/0?health_check_interval=3"])
def test_a_password_that_is_not_percent_encoded_is_told_without_a_part_of_it(login: str, rest: str) -> None:
    with pytest.raises(InvalidSettings, match="must be percent-encoded: %40 %2F %23 %3F %3A") as caught:
        load_settings({"REDIS_URL": f"rediss://{login}@{rest}"})
    assert len(caught.value.faults) == 1
    assert not [part for part in ("o1", "o2", "o3", "o4", "o5") if part in str(caught.value)]


@pytest.mark.parametrize("url", ["secret:o1@redis.example", "secret", "secret://o1@h", "redis://:secret"])
def test_what_is_no_address_is_not_repeated(url: str) -> None:
    with pytest.raises(InvalidSettings, match="REDIS_URL") as caught:
        load_settings({"REDIS_URL": url})
    assert "secret" not in str(caught.value)
    assert "o1" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://:p%40%2F%23%3Aq@redis.example:6379/0",
        "redis://redis.example/2?health_check_interval=3",
        "rediss://user:pass-word_1.2~!$&'()*+,;=@[::1]:6380",
        "unix:///run/a@b.sock",
        "unix://user:pass@/run/redis.sock?db=2",
    ],
)
def test_addresses_that_can_be_read(url: str) -> None:
    assert load_settings({"REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize("option", ["nonsense=secret", "socket_timeout=secret", "db=secret", "secret"])
@pytest.mark.parametrize("url", ["redis://h/0", "rediss://h/0", "unix:///run/redis.sock"])
def test_options_that_the_client_does_not_take_are_told_before_anything_starts(url: str, option: str) -> None:
    if option == "secret":  # without a value it is none
        assert load_settings({"REDIS_URL": f"{url}?{option}"})
        return
    with pytest.raises(InvalidSettings, match=r"REDIS_URL: behind its \? stands an option") as caught:
        load_settings({"REDIS_URL": f"{url}?{option}"})
    assert "secret" not in str(caught.value)


def test_names_and_origins_are_lists() -> None:
    env = {"ALLOWED_HOSTS": "Shap.example, other.example,", "CORS_ORIGINS": "https://app.example,http://localhost:3000"}
    settings = load_settings(env)
    assert settings.allowed_hosts == ("shap.example", "other.example")
    assert settings.cors_origins == ("https://app.example", "http://localhost:3000")
    assert load_settings({"CORS_ORIGINS": "*"}).cors_origins == ("*",)
    for name, value in (("ALLOWED_HOSTS", "a/b"), ("CORS_ORIGINS", "app.example"), ("CORS_ORIGINS", "https://a/b")):
        with pytest.raises(InvalidSettings, match=name):
            load_settings({name: value})


def test_secrets_do_not_get_into_messages() -> None:
    settings = load_settings({"REDIS_URL": "rediss://user:secret@redis.example:6380/2"})
    assert settings.redis_address == "rediss://redis.example:6380/2"
    assert load_settings({"REDIS_URL": "unix:///run/redis.sock"}).redis_address == "unix:///run/redis.sock"
    assert load_settings({}).redis_address == "redis://127.0.0.1:6379/0"
    with pytest.raises(InvalidSettings) as caught:
        load_settings({"REDIS_URL": "ftp://user:secret@redis.example"})
    assert "secret" not in str(caught.value)
