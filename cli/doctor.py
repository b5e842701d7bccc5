"""`doctor`: what is installed here, how much memory there is, which engine computes, and whether the store is right.

Runs in the command's own process, and asks one of its own for the engine; looks and changes nothing. The store's part
is in `store_checks`. Does not ask the web app: see `info`.
"""

import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

import click
import psutil
from rich.text import Text

from cli.processes import module_environment
from cli.store_checks import Finding, check_store
from cli.tables import facts, in_mb, out
from jobs.settings import InvalidSettings, Settings, load_settings
from supervisor.children.limits import cores, find_limit
from supervisor.children.memory import NoRoom, share_out
from supervisor.children.sandbox import LAYERS, look

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
LITTLE_BYTES = 512 * 1024 * 1024
FEW_FILES = 1_024
ENGINE_TIMEOUT_S = 60
_ENGINE = """
import json, psutil
from shaptrees.levels import chosen
level, why = chosen()
print(json.dumps([level, why, psutil.Process().memory_info().rss]))
"""


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
        yield from check_store(settings)
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
    yield _sandbox(settings)
    yield _files()
    yield from _engine(settings)


def _sandbox(settings: Settings) -> Finding:
    """What a supervisor that is started here would put its children into."""
    missing = [layer for layer in LAYERS if layer not in look()]
    if settings.sandbox == "off":
        return Finding("sandbox", "off", "SANDBOX=off: a hostile file may reach all that the supervisor's user can.")
    if not missing:
        return Finding("sandbox", ", ".join(LAYERS))
    advice = "A hostile file may reach more here than it should: see docs/security.md."
    if settings.sandbox == "require":
        advice = "SANDBOX=require: no supervisor starts here."
    return Finding("sandbox", f"without {', '.join(missing)}", advice, fatal=settings.sandbox == "require")


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = hard if hard != resource.RLIM_INFINITY else "unlimited"
    advice = (
        f"Raise it (`ulimit -n {FEW_FILES}`): every client, child and template needs some." if soft < FEW_FILES else ""
    )
    return Finding("file descriptors", f"{soft} of at most {many}", advice)


def _engine(settings: Settings) -> Iterator[Finding]:
    """Asked in a process that imports what a lean forkserver does: its size goes into the arithmetic."""
    command = [sys.executable, "-P", "-c", _ENGINE]
    try:
        ended = subprocess.run(  # noqa: S603 - our own interpreter and text
            command,
            env=module_environment(os.environ),
            capture_output=True,
            text=True,
            timeout=ENGINE_TIMEOUT_S,
            check=False,
        )
        level, why, rss_bytes = json.loads(ended.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        yield Finding(
            "tree engine", "cannot be loaded", "Run `make install` again and read what it prints.", fatal=True
        )
        return
    slow = "The compiled kernel is missing: `make install` with a C compiler makes trees many times faster."
    yield Finding("tree engine", f"{level} ({why})", slow if level == "numpy" else "")
    yield _arithmetic(settings, rss_bytes)


def _arithmetic(settings: Settings, forkserver_bytes: int) -> Finding:
    """What a supervisor that is started here and now would plan with."""
    limit = find_limit(settings)
    try:
        plan = share_out(
            settings,
            limit,
            supervisor_bytes=psutil.Process().memory_info().rss,
            forkserver_bytes=forkserver_bytes,
            cores=cores(),
            in_use_bytes=limit.in_use(),
        )
    except NoRoom as error:
        return Finding("memory plan", "a supervisor would not start", str(error), fatal=True)
    return Finding("memory plan", plan.arithmetic)
