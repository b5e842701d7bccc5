"""A memory cgroup for the processes of a test, below the test's own or as near to it as the system allows.

Version 2 where it has the memory controller, else version 1, mounted for the time of the test where nobody has. Needs
root; `available` says why not.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
V1 = ROOT / "memory"


class Unavailable(Exception):
    """No cgroup can be made here; the message is the reason."""


class Cgroup:
    """A directory of the hierarchy and its files."""

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self.directory = directory
        self._v1 = V1 in directory.parents
        directory.mkdir()
        self._write("memory.limit_in_bytes" if self._v1 else "memory.max", limit_bytes)
        with contextlib.suppress(OSError):  # no such file where swap is not accounted for
            self._write(
                "memory.memsw.limit_in_bytes" if self._v1 else "memory.swap.max", limit_bytes if self._v1 else 0
            )

    def enter(self, command: list[str]) -> list[str]:
        """The same command, run in here."""
        return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.directory / "cgroup.procs"), *command]

    @property
    def pids(self) -> list[int]:
        return [int(pid) for pid in (self.directory / "cgroup.procs").read_text().split()]

    @property
    def in_use_bytes(self) -> int:
        """Without file pages, which the kernel takes back when it needs them."""
        usage = int(self._read("memory.usage_in_bytes" if self._v1 else "memory.current"))
        files = ("total_active_file", "total_inactive_file") if self._v1 else ("active_file", "inactive_file")
        return usage - sum(self._counts("memory.stat")[name] for name in files)

    @property
    def oom_kills(self) -> int:
        return self._counts("memory.oom_control" if self._v1 else "memory.events")["oom_kill"]

    def remove(self) -> None:
        """What is left in it ends with it."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while self.pids:
            pass
        self.directory.rmdir()

    def _counts(self, name: str) -> dict[str, int]:
        pairs = (line.split() for line in self._read(name).splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}

    def _read(self, name: str) -> str:
        return (self.directory / name).read_text()

    def _write(self, name: str, value: object) -> None:
        (self.directory / name).write_text(f"{value}\n")


@contextlib.contextmanager
def hierarchy() -> Iterator[Path]:
    """A directory below which cgroups with a memory limit can be made. Raises Unavailable."""
    if not ROOT.is_dir() or os.geteuid() != 0:
        raise Unavailable("a memory cgroup needs Linux and root")
    with contextlib.ExitStack() as undo:
        parent = _version_2(undo) or _version_1(undo)
        yield parent


def _version_2(undo: contextlib.ExitStack) -> Path | None:
    for directory in _own("", ROOT):
        if "memory" not in _words(directory / "cgroup.controllers"):
            continue
        control = directory / "cgroup.subtree_control"
        if "memory" in _words(control):
            return directory
        try:
            control.write_text("+memory")
        except OSError:  # it has processes of its own, or belongs to somebody else
            continue
        undo.callback(control.write_text, "-memory")
        return directory
    return None


def _version_1(undo: contextlib.ExitStack) -> Path:
    if not (V1 / "memory.limit_in_bytes").exists():
        try:
            V1.mkdir(exist_ok=True)
            undo.callback(V1.rmdir)
            subprocess.run(
                ["mount", "-t", "cgroup", "-o", "memory", "cgroup", str(V1)], check=True, capture_output=True
            )
            undo.callback(subprocess.run, ["umount", str(V1)], check=True)
        except (OSError, subprocess.CalledProcessError):
            raise Unavailable("this system gives no memory cgroup, and none can be mounted") from None
    return next(directory for directory in _own("memory", V1) if directory.is_dir())


def _own(controller: str, root: Path) -> Iterator[Path]:
    """The test's own, then those above."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            own = root / path.lstrip("/")
            yield own
            yield from (above for above in own.parents if above == root or root in above.parents)


def _words(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text().split()
    return []
