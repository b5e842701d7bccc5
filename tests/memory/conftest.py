"""Processes inside a real memory cgroup: a whole service, or a supervisor with scripted children.

Valkey and the test stay outside: what is limited is what a small machine would hold.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.processes import module_environment
from jobs.settings import MIB
from tests.memory.cgroup import Cgroup, Unavailable, hierarchy

LIMIT_S = 60.0
STOP_S = 15.0


@pytest.fixture(scope="session")
def cgroups() -> Iterator[Path]:
    """Where cgroups can be made; skips the test where they cannot."""
    try:
        with hierarchy() as parent:
            yield parent
    except Unavailable as reason:
        pytest.skip(str(reason))


@contextlib.contextmanager
def cgroup_of(parent: Path, limit_mb: int) -> Iterator[Cgroup]:
    group = Cgroup(parent / f"shap-supervisor-test-{uuid.uuid4().hex[:8]}", limit_mb * MIB)
    try:
        yield group
    finally:
        group.remove()


class Machine:
    """Processes in a cgroup, each with a log."""

    def __init__(self, group: Cgroup, directory: Path, env: dict[str, str]) -> None:
        self.group = group
        self.env = module_environment({**os.environ, "LOG_FORMAT": "json", **env})
        self._directory = directory
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str]) -> int:
        with (self._directory / f"{name}.log").open("wb") as log:
            process = self._processes[name] = subprocess.Popen(
                self.group.enter(command), env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return process.pid

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def ended(self, name: str) -> bool:
        return self._processes[name].poll() is not None

    def log(self, name: str) -> str:
        return (self._directory / f"{name}.log").read_text(errors="replace")

    def events(self, name: str, event: str) -> list[dict[str, Any]]:
        """What a process has logged under that name."""
        lines = (line for line in self.log(name).splitlines() if f'"{event}"' in line)
        return [found for found in map(json.loads, lines) if found["event"] == event]

    def until(self, condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
        """Poll, bounded; whatever was started must live."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            for name in self._processes:
                assert not self.ended(name), f"{name} ended: {self.log(name)[-2000:]}"
            if found := condition():
                return found
            time.sleep(0.05)
        raise TimeoutError

    def stop(self, name: str) -> None:
        process = self._processes.pop(name)
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGTERM):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
            return
        process.kill()
        process.wait()

    def close(self) -> None:
        for name in list(self._processes):
            self.stop(name)


@contextlib.contextmanager
def machine(parent: Path, directory: Path, limit_mb: int, **env: str) -> Iterator[Machine]:
    with cgroup_of(parent, limit_mb) as group:
        found = Machine(group, directory, env)
        try:
            yield found
        finally:
            found.close()


def scripted_command() -> list[str]:
    return [sys.executable, "-P", "-m", "tests.memory.scripted_supervisor"]
