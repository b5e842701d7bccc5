"""`doctor`: what is installed here, whether the store answers and is set up right, how much memory there is.

Runs in the command's own process; looks and changes nothing. Does not ask the web app: see `info`.
"""

import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from typing import Any, NamedTuple

import click
import redis
from rich.text import Text

from cli.tables import facts, in_mb, out
from jobs.settings import InvalidSettings, Settings, load_settings
from supervisor.limits import cores, find_limit

PACKAGES = (
    "shap-supervisor",
    "shap",
    "numpy",
    "scikit-learn",
    "xgboost-cpu" if sys.platform == "linux" else "xgboost",
    "lightgbm",
    "skops",
    "redis",
    "starlette",
    "uvicorn",
)
PINGS = 20
SLOW_S = 0.02
TIMEOUT_S = 3.0
LITTLE_BYTES = 512 * 1024 * 1024
OLDEST = 7


class Finding(NamedTuple):
    """One line: what was looked at, how it is, and what to do about it where something is wrong."""

    name: str
    state: str
    advice: str = ""
    fatal: bool = False


@click.command()
def doctor() -> None:
    """Look for what is wrong on this machine, and say what to do about it."""
    findings = [*_versions(), *_environment()]
    out.print(facts([(finding.name, _line(finding)) for finding in findings]))
    wrong = [finding for finding in findings if finding.advice]
    out.print(f"\n{len(wrong)} finding(s)." if wrong else "\nNothing is wrong.")
    if any(finding.fatal for finding in wrong):
        sys.exit(1)


def _line(finding: Finding) -> Text:
    style = "red" if finding.fatal else "yellow" if finding.advice else ""
    advice = ("\n" + finding.advice, style) if finding.advice else ""
    return Text.assemble((finding.state, style), advice)


def _versions() -> Iterator[Finding]:
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in PACKAGES:
        try:
            yield Finding(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "not installed", "Run `make install`.", fatal=True)


def _environment() -> Iterator[Finding]:
    try:
        settings = load_settings(os.environ)
    except InvalidSettings as error:
        yield Finding("environment", "; ".join(error.faults), "Correct these variables.", fatal=True)
        return
    yield Finding("environment", "valid")
    yield from _memory(settings)
    if os.environ.get("REDIS_URL", "").strip():
        yield from _store(settings)
    else:
        yield Finding("store", "REDIS_URL is not set: `up`, `demo` and `run` bring an embedded Valkey")


def _memory(settings: Settings) -> Iterator[Finding]:
    limit = find_limit(settings)
    little = "Children will be small; 1 GB or more is comfortable." if limit.limit_bytes < LITTLE_BYTES else ""
    yield Finding("memory limit", f"{in_mb(limit.limit_bytes)} ({limit.source})", little)
    yield Finding("processors", str(cores()))
    if sys.platform == "linux":
        yield Finding("hard cap", "RLIMIT_AS, set in every child")
    else:
        advice = "This system does not enforce RLIMIT_AS: only the watch holds children to their cap, a moment late."
        yield Finding("hard cap", "not available", advice)


def _store(settings: Settings) -> Iterator[Finding]:
    client: Any = redis.Redis.from_url(settings.redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    name = f"store {settings.redis_address}"
    try:
        server = client.info("server")
        latency = _latency(client)
    except redis.RedisError as error:
        yield Finding(name, f"not reachable: {error}", "Start it, or correct REDIS_URL.", fatal=True)
        return
    yield _version(name, str(server.get("valkey_version") or server["redis_version"]))
    slow = "Every step of a job asks the store: put it nearer." if latency > SLOW_S else ""
    yield Finding("store latency", f"{latency * 1000:.2f} ms", slow)
    yield _policy(client)


def _version(name: str, version: str) -> Finding:
    old = int(version.split(".", maxsplit=1)[0]) < OLDEST
    advice = f"Version {OLDEST} or newer is needed: scripts that finish jobs must run in a full store." if old else ""
    return Finding(name, f"reachable, version {version}", advice, fatal=old)


def _latency(client: Any) -> float:
    started = time.perf_counter()
    for _ in range(PINGS):
        client.ping()
    return (time.perf_counter() - started) / PINGS


def _policy(client: Any) -> Finding:
    try:
        policy = client.config_get("maxmemory-policy")["maxmemory-policy"]
    except redis.ResponseError:
        policy = client.info("memory").get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return Finding("store policy", "noeviction")
    return Finding("store policy", str(policy), "Set maxmemory-policy to noeviction: any other drops jobs when full.")
