"""The environment, read and validated once, before anything starts. Used by every process of ours but children.

Names are the environment's in lower case. A size in megabytes stays one here, as the operator wrote it; the
`*_bytes` properties are what the code uses.
"""

import base64
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin
from urllib.parse import urlsplit

import msgspec

from jobs import callers

MIB = 1024 * 1024
LEAST_SECRET_BYTES = 24

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Quota = Annotated[int, msgspec.Meta(ge=0)]
"""0 for none."""
Seconds = Annotated[float, msgspec.Meta(gt=0)]
HostName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9._:-]{1,253}$")]
Origin = Annotated[str, msgspec.Meta(pattern=r"^(\*|[a-z][a-z0-9+.-]*://[^\s/@?#]+)$")]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
REDIS_SCHEMES = ("redis", "rediss", "unix")
BLOB_SCHEMES = ("s3", "gs", "az", "file")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class InvalidSettings(Exception):
    """The environment is not usable; every fault is listed."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(["The environment is not usable:", *(f"  {fault}" for fault in faults)]))


class Settings(msgspec.Struct, kw_only=True, frozen=True):
    """Everything that can be set from outside."""

    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_health_check_interval: Annotated[int, msgspec.Meta(ge=0)] = 30
    shap_batch_size: Count | Literal["auto"] = 500
    aggressive_memory_management: bool = True
    child_memory_mb: Count | None = None
    memory_limit_mb: Count | None = None
    worker_slots: Count | None = None
    chunk_timeout_s: Seconds = 600.0
    chunk_max_attempts: Count = 3
    lease_s: Annotated[float, msgspec.Meta(ge=1)] = 15.0
    drain_grace_s: Annotated[float, msgspec.Meta(ge=0)] = 25.0
    """How long a supervisor that was told to stop lets its children finish."""
    supervisor_name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,100}$")] | None = None
    """None: made from the host's name and the process id."""
    sample_rows: Quota = 1000
    """The most rows of a job that are kept with their values, to be shown."""
    blob_url: str | None = None
    """None: uploads and results lie in Redis."""
    job_ttl_s: Count = 86_400
    max_upload_mb: Count = 1024
    upload_silence_s: Seconds = 30.0
    """The longest that an upload may keep silent, or trickle."""
    api_token: str | None = None
    api_tokens: str | None = None
    """`alice=...,bob=...`: see `callers`."""
    admin_token: str | None = None
    caller_waiting_jobs: Quota = 10_000
    caller_stored_mb: Quota = 4_096
    caller_requests_per_minute: Quota = 12_000
    sandbox: Literal["auto", "require", "off"] = "auto"
    """For what is forked: all that the platform has, or no start without all of it, or none."""
    trusted_model_dir: Path | None = None
    model_cache_dir: Path | None = None
    """Where models lie that were turned into arrays; None: a directory of this user's below the temporary one."""
    model_cache_mb: Count = 1024
    allowed_hosts: tuple[HostName, ...] = ()
    """Names to answer to beside this machine's own; none: any, once there are tokens."""
    cors_origins: tuple[Origin, ...] = ()
    """Whose pages may ask and read."""
    callback_hosts: tuple[str, ...] = ()
    """Whom the web process may speak to by itself, see `api.destinations`; none: nobody."""
    callback_secret: str | None = None
    """Signs callbacks; base64."""
    host: str = "127.0.0.1"
    port: Port = 8000
    log_level: LogLevel = "INFO"
    log_format: Literal["json", "console"] | None = None
    """None: console on a terminal, JSON otherwise."""

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * MIB

    @property
    def model_cache_bytes(self) -> int:
        return self.model_cache_mb * MIB

    @property
    def caller_stored_bytes(self) -> int:
        return self.caller_stored_mb * MIB

    @property
    def child_memory_bytes(self) -> int | None:
        return None if self.child_memory_mb is None else self.child_memory_mb * MIB

    @property
    def memory_limit_bytes(self) -> int | None:
        return None if self.memory_limit_mb is None else self.memory_limit_mb * MIB

    @property
    def redis_address(self) -> str:
        """REDIS_URL without its password, for logs and messages."""
        url = urlsplit(self.redis_url)
        where = f"{url.hostname}:{url.port or 6379}" if url.hostname else ""
        return f"{url.scheme}://{where}{url.path}"


def load_settings(env: Mapping[str, str] = os.environ, *, listens: bool = True) -> Settings:
    """Read the settings from the environment; an empty variable counts as unset. `listens`: whether HOST means this
    process, which then needs tokens beyond loopback; a worker has none.

    Raises InvalidSettings, which names every fault at once.
    """
    values: dict[str, Any] = {}
    faults: list[str] = []
    for field in msgspec.structs.fields(Settings):
        name = field.encode_name.upper()
        raw = env.get(name, "").strip()
        if not raw:
            continue
        try:
            values[field.name] = _convert(raw, field.type)
        except msgspec.ValidationError as error:
            faults.append(f"{name}: {error}" if _is_secret(name) else f"{name}={raw!r}: {error}")
    faults += _cross_faults(values)
    faults += _open_door_faults(values) if listens else []
    if faults:
        raise InvalidSettings(faults)
    return Settings(**values)


def _is_secret(name: str) -> bool:
    """Whether what stands there may be a password, or hold one."""
    return "URL" in name or "TOKEN" in name or "SECRET" in name


def _convert(raw: str, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        listed = [item.strip().lower() for item in raw.split(",") if item.strip()]
        return msgspec.convert(listed, kind)
    if kind is bool:
        raw = {"1": "true", "0": "false", "yes": "true", "no": "false", "on": "true", "off": "false"}.get(
            raw.lower(), raw.lower()
        )
    if kind is LogLevel:
        raw = raw.upper()
    return msgspec.convert(raw, kind, strict=False, dec_hook=lambda target, value: target(value))


def _redis_url_faults(redis_url: str) -> list[str]:
    """What is wrong with REDIS_URL; never with a word of it, which may be of the password."""
    if redis_url.partition("://")[0].lower() not in REDIS_SCHEMES:
        return [f"REDIS_URL: it must begin with {', '.join(f'{scheme}://' for scheme in REDIS_SCHEMES)}"]
    if not _is_plain(redis_url):
        return [
            "REDIS_URL: it cannot be read. In user and password @ / # ? and : must be percent-encoded: "
            "%40 %2F %23 %3F %3A"
        ]
    if "?" in redis_url and not _has_known_options(redis_url):
        return [
            "REDIS_URL: behind its ? stands an option that redis-py does not know, or a value that it does not take; "
            "correct it, or leave it out"
        ]
    return []


def _has_known_options(redis_url: str) -> bool:
    """Asked of redis-py itself, which is no small import; nothing is connected."""
    from redis import ConnectionPool, RedisError

    try:
        ConnectionPool.from_url(redis_url).make_connection()
    except (TypeError, ValueError, AttributeError, RedisError):
        return False
    return True


def _is_plain(redis_url: str) -> bool:
    """Whether every part of REDIS_URL begins and ends where it says, in any reading."""
    try:
        url = urlsplit(redis_url)
        _ = url.port
    except ValueError:
        return False
    login, at, _ = url.netloc.rpartition("@")
    behind = url.query + url.fragment + ("" if url.scheme == "unix" else url.path)
    if "@" in login + behind or login.count(":") > 1 or "#" in redis_url:
        return False
    return bool(at) or not (url.scheme == "unix" and url.netloc)


def _blob_url_faults(blob_url: str) -> list[str]:
    """What is wrong with BLOB_URL, as far as it shows without asking; never with the URL, which may hold a secret."""
    url = urlsplit(blob_url)
    faults = []
    if url.scheme not in BLOB_SCHEMES:
        faults.append(f"BLOB_URL: it must begin with {', '.join(f'{scheme}://' for scheme in BLOB_SCHEMES)}")
    elif not (url.path if url.scheme == "file" else url.hostname):
        faults.append(f"BLOB_URL: it names no {'directory' if url.scheme == 'file' else 'bucket'}")
    if "@" in url.netloc or url.query or url.fragment:
        faults.append(
            "BLOB_URL: keys and options belong into the environment, e.g. AWS_ACCESS_KEY_ID, not into the URL"
        )
    if find_spec("obstore") is None:
        faults.append('BLOB_URL: the package obstore is missing; install it with pip install "shap-supervisor[blobs]"')
    return faults


def _open_door_faults(values: dict[str, Any]) -> list[str]:
    host = values.get("host", "127.0.0.1")
    missing = [] if {"api_token", "api_tokens"} & values.keys() else ["API_TOKEN"]
    missing += [] if "admin_token" in values else ["ADMIN_TOKEN"]
    if host in LOOPBACK or not missing:
        return []
    return [f"HOST={host!r}: without {' and '.join(missing)} the web app listens on loopback only; set both"]


def _callback_secret_faults(secret: str) -> list[str]:
    """What is wrong with CALLBACK_SECRET; never with a word of it."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) >= LEAST_SECRET_BYTES:
        return []
    return [f"CALLBACK_SECRET: it must be base64 of {LEAST_SECRET_BYTES} bytes or more: openssl rand -base64 32"]


def _cross_faults(values: dict[str, Any]) -> list[str]:
    """Faults that no single type can name."""
    faults = []
    faults += _redis_url_faults(values.get("redis_url", "redis://"))
    if "blob_url" in values:
        faults += _blob_url_faults(values["blob_url"])
    if "api_tokens" in values:
        others = {name.upper(): values.get(name) for name in ("api_token", "admin_token")}
        faults += callers.faults(values["api_tokens"], others)
    if "callback_secret" in values:
        faults += _callback_secret_faults(values["callback_secret"])
    directory = values.get("trusted_model_dir")
    if directory is not None and not directory.is_dir():
        faults.append(f"TRUSTED_MODEL_DIR={str(directory)!r}: there is no such directory")
    limit, child = values.get("memory_limit_mb"), values.get("child_memory_mb")
    if limit is not None and child is not None and child >= limit:
        faults.append(f"CHILD_MEMORY_MB={child}: it must be smaller than MEMORY_LIMIT_MB={limit}")
    return faults
