"""One long-running process of ours, as a child of the command: start, restart within bounds, stop by a ladder.

Does not know what the process does, nor when it is ready: see `stack`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0
SETTLED_S = 30.0
"""A process that has run for so long counts as healthy again."""
ROOT = Path(__file__).parent.parent


def module_command(name: str, *arguments: str) -> list[str]:
    """The command that runs one of our packages with this same interpreter, whatever the working directory holds."""
    return [sys.executable, "-P", "-m", name, *arguments]


def module_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment in which `module_command` finds our packages, installed or not."""
    path = [str(ROOT), *filter(None, [env.get("PYTHONPATH")])]
    return {**env, "PYTHONPATH": os.pathsep.join(path)}


class Process:
    """A program that is kept running."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], *, log: Path | None, cwd: Path | None = None
    ) -> None:
        self.name = name
        self._command = [*_die_with_parent(), *command]
        self._env = dict(env)
        self._log = log
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = SHORTEST_PAUSE_S

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    @property
    def ending(self) -> str | None:
        """How it ended, in words; None while it runs."""
        code = self._child.poll() if self._child else None
        if code is None:
            return None
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C in the terminal reaches the command alone, which stops in order."""
        self._started = time.monotonic()
        output = self._log.open("ab") if self._log else None
        try:
            self._child = subprocess.Popen(  # noqa: S603
                self._command,
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
            )
        finally:
            if output:
                output.close()

    def tend(self) -> str | None:
        """Start it again when it has ended, after a pause that doubles; returns how it ended when it did so now."""
        ending = self.ending
        age = time.monotonic() - self._started
        if ending is None or age < self._pause:
            return None
        self._pause = SHORTEST_PAUSE_S if age > SETTLED_S else min(self._pause * 2, LONGEST_PAUSE_S)
        self.start()
        return ending

    def stop(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL to the whole group when the grace is over."""
        if self._child is None or self._child.poll() is not None:
            return
        self._child.terminate()
        try:
            self._child.wait(grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()


def _die_with_parent() -> list[str]:
    if sys.platform != "linux":
        return []
    script = Path(__file__).with_name("die_with_parent.py")
    return [sys.executable, "-I", "-S", str(script), str(os.getpid())]
