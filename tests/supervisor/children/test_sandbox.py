"""Processes that were taken over, and what they reach: as root, as root without capabilities, as somebody else.

The same attacks without a sandbox show that it is the sandbox which refuses them.
"""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.processes import module_environment
from supervisor.children import landlock, refusals, sandbox, seccomp, syscalls
from supervisor.children.landlock import Files
from supervisor.children.sandbox import LAYERS, look, readable

pytestmark = pytest.mark.skipif(look() != list(LAYERS), reason="this platform lacks some of it")

USERS = {
    "as we are": [],
    "root without capabilities": ["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
    # it must find this interpreter, wherever that is installed
    "somebody else": [
        *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
        *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
    ],
}
ROLES = ("template", "child", "lean")
NATURAL = {"a session"}
"""Refused without a sandbox too: who leads a group cannot leave it."""
LOOK = "from supervisor.children.sandbox import look; print(*look())"
WITHOUT = """
import ctypes, os, struct, sys
from supervisor.children import kernel, privileges, seccomp
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, %d), (0x06, 0, 0, 0x50000 | 38), (0x06, 0, 0, 0x7FFF0000)]
code = b"".join(struct.pack("<HBBI", *step) for step in steps)
privileges.gain_none()
kernel.make(seccomp._installation(seccomp._Program(len(steps), code)))
os.execv(sys.executable, [sys.executable, "-P", *sys.argv[1:]])
"""
"""A kernel that has not got one system call, as far as the program that follows can tell."""
WITHOUT_LANDLOCK = WITHOUT % 444


def run(prefix: list[str], *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    if prefix and (os.geteuid() != 0 or shutil.which(prefix[0]) is None):
        pytest.skip("only root can become somebody else")
    return subprocess.run(
        [*prefix, sys.executable, "-P", *arguments],
        env=module_environment({**os.environ, **env}),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@functools.cache
def attacked(user: str, mode: str = "auto") -> dict[str, Any]:
    ended = run(USERS[user], "-m", "tests.supervisor.children.attacked", mode)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("user", USERS)
def test_every_attack_is_refused(user: str, role: str) -> None:
    tried = attacked(user)[role]["tried"]
    assert len(tried) > 50
    assert {name: outcome for name, outcome in tried.items() if outcome != "refused"} == {}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("user", USERS)
def test_what_children_need_goes_on(user: str, role: str) -> None:
    assert all(attacked(user)[role]["works"].values()), attacked(user)[role]["works"]


@pytest.mark.parametrize("user", USERS)
def test_every_layer_is_on_and_the_watch_still_sees(user: str) -> None:
    found = attacked(user)
    assert (found["active"], found["missing"], found["watched"]) == (list(LAYERS), [], True)


@pytest.mark.parametrize("role", ROLES)
def test_without_a_sandbox_the_attacks_work(role: str) -> None:
    tried = attacked("as we are", "off")[role]["tried"]
    refused = {name for name, outcome in tried.items() if outcome == "refused"} - NATURAL
    if os.geteuid() != 0:  # what only root may do at all
        refused -= {"namespaces", "mount", "bpf", "performance counters", "page faults", "a core", "descriptors"}
    assert refused == set()
    assert attacked("as we are", "off")["active"] == []


def test_a_kernel_without_landlock_still_refuses_system_calls() -> None:
    ended = run([], "-c", WITHOUT_LANDLOCK, "-m", "tests.supervisor.children.attacked", "auto")
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["missing"] == ["landlock", "landlock_scopes"]
    tried = found["child"]["tried"]
    for name in ("append to a file", "append to a file by the older call", "change a mode"):
        assert tried[name] == "refused"
    for name in ("the store", "run a program", "trace", "a process"):
        assert tried[name] == "refused"
    for name in ("signal the supervisor", "signal the parent", "signal a sibling's group"):
        assert tried[name] == "refused"
    assert tried["another file"] == "it worked"


def test_an_older_landlock_is_asked_for_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(landlock, "_create", lambda *wanted: asked.append(wanted) or 0)
    for version in (5, 6):
        monkeypatch.setattr(landlock, "version", lambda version=version: version)
        landlock.scopes()
    assert asked == [(int(Files.EXECUTE), 0, 0), (0, 0, 3)]


def test_libraries_on_the_path_may_be_read_and_what_lies_beside_us_may_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(sandbox.ROOT), str(tmp_path), ""])
    allowed = dict(sandbox.readable())
    assert allowed[str(tmp_path)] == landlock.READ
    assert allowed[str(sandbox.ROOT)] == Files.READ_DIR


def test_what_a_platform_lacks_is_seen_before_anything_is_put_on() -> None:
    seen = run([], "-c", WITHOUT_LANDLOCK, "-c", LOOK).stdout.split()
    assert seen == [layer for layer in LAYERS if not layer.startswith("landlock")]


def test_a_supervisor_does_not_start_without_what_it_requires(valkey_url: str) -> None:
    ended = run([], "-c", WITHOUT_LANDLOCK, "-m", "supervisor", "--burst", SANDBOX="require", REDIS_URL=valkey_url)
    assert ended.returncode == 2
    assert '"no_sandbox"' in ended.stdout
    assert "this platform lacks: landlock, landlock_scopes" in ended.stdout


def test_a_supervisor_says_what_it_has_and_what_not(valkey_url: str) -> None:
    whole = run([], "-m", "supervisor", "--burst", SANDBOX="require", REDIS_URL=valkey_url)
    (said,) = [json.loads(line) for line in whole.stdout.splitlines() if '"sandbox"' in line]
    assert (whole.returncode, said["level"]) == (0, "info")
    assert (said["mode"], said["active"], said["missing"]) == ("require", list(LAYERS), [])
    part = run([], "-c", WITHOUT_LANDLOCK, "-m", "supervisor", "--burst", REDIS_URL=valkey_url)
    (said,) = [json.loads(line) for line in part.stdout.splitlines() if '"sandbox"' in line]
    assert (part.returncode, said["level"], said["missing"]) == (0, "warning", ["landlock", "landlock_scopes"])


def test_a_checkout_is_not_readable_but_for_its_packages() -> None:
    rights = dict(readable())
    paths, root = set(rights), Path(__file__).parents[3]
    assert rights[str(root)] == Files.READ_DIR
    assert not {str(root / name) for name in (".git", "docs", "README.md", "setup.cfg")} & paths
    assert {str(root / name) for name in ("child", "jobs", "shaptrees", "supervisor")} <= paths
    assert not paths & {"/", "/etc", "/home", "/root", "/tmp", "/var", os.path.expanduser("~")}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filters_fit_the_kernel(machine: str) -> None:
    for rules in (refusals.ALWAYS, refusals.NO_WRITING, refusals.NO_PROCESSES):
        assert len(seccomp.program(rules, machine)) < 4096 * seccomp.STEP_BYTES


@pytest.mark.parametrize(
    ("column", "header"),
    [(0, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), (1, "/usr/include/asm-generic/unistd.h")],
)
def test_numbers_are_those_of_the_kernels_headers(column: int, header: str) -> None:
    if not Path(header).exists():
        pytest.skip("the kernel's headers are not installed")
    text = Path(header).read_text()
    theirs = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)$", text, re.M)}
    for group in syscalls.GROUPS:
        for name, pair in syscalls.numbers(group).items():
            assert theirs.get(name) == pair[column], name
