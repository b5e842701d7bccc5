"""The service under attack, as its operator runs it: web, supervisor and embedded Valkey, looked at from outside.

Runs in the campaign, which adopts whatever loses its parent, so that nothing that is left behind can hide. Does not
judge an answer: see `checks`.
"""

import asyncio
import ctypes
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from cli.stack import Stack
from fuzz import hosts
from fuzz.client import Client
from jobs.settings import MIB

LOOK_S = 0.1
ADMIN_EVERY_S = 1.0
MOST_BYTES = 80 * MIB
"""Of the web process, and of the supervisor, at any time."""
GROWTH_BYTES = 8 * MIB
"""What a supervisor may hold more at the end than once everything has been seen that there is."""
SILENT_S = 5.0
"""A supervisor that /admin/memory does not show for so long has stalled."""
LEAVING_S = 5.0
_SHM = Path("/dev/shm")
_PR_SET_CHILD_SUBREAPER, _CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 36, 0x20000, 1 << 14, 1 << 18


def environment(directory: Path) -> dict[str, str]:
    """Ours, with a place of its own for temporary files, and patience for nobody."""
    kept = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "TMPDIR": str(directory / "tmp"),
        "MODEL_CACHE_DIR": str(directory / "cache"),
        "CHILD_MEMORY_MB": "512",
        "WORKER_SLOTS": "2",
        "CHUNK_TIMEOUT_S": "20",
        "UPLOAD_SILENCE_S": "2",
        "MAX_UPLOAD_MB": "16",
        "CALLER_REQUESTS_PER_MINUTE": "0",
        "JOB_TTL_S": "600",
        "LOG_FORMAT": "json",
        **hosts.SETTINGS,
    }


class Service:
    """`async with Service(directory) as service:`; `findings` are filled while it runs and when it is over."""

    def __init__(self, directory: Path, findings: Any) -> None:
        self.directory = directory
        (directory / "tmp").mkdir()
        self._findings = findings
        self._shm = _own_shared_memory()
        _adopt_orphans()
        self._stack = Stack(environment(directory), private=True)
        self.client = Client(self._stack.port)
        self.most_bytes = {"web": 0, "supervisor": 0}
        self.settled_bytes = 0
        """Of the supervisor, since `settled`."""
        self.children = 0
        """The most that the supervisor has had at once."""

    @property
    def url(self) -> str:
        return self._stack.url

    async def __aenter__(self) -> "Service":
        await asyncio.to_thread(self._stack.__enter__)
        self._logs = [path.open(errors="replace") for path in sorted(self._stack.directory.glob("*.log"))]
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it, keep its logs, and look for what it has left."""
        self._watching.cancel()
        await asyncio.to_thread(self._stack.stop)
        for log in self._logs:
            with log:
                (self.directory / Path(log.name).name).write_text(log.read())
        await self._look_for_rests()

    def settled(self) -> None:
        """Every kind of thing has happened once: from here on memory should stay."""
        self.settled_bytes = self._rss("supervisor")

    def grown_bytes(self) -> int:
        return self._rss("supervisor") - self.settled_bytes

    def _rss(self, name: str) -> int:
        try:
            return int(psutil.Process(self._stack.pids[name]).memory_info().rss)
        except psutil.Error:
            return 0

    async def _watch(self) -> None:
        """Memory and life of both processes; and whether the supervisor is seen."""
        seen_at = asked_at = time.monotonic()
        while True:
            self._stack.tend(lambda said: self._findings.add("ended by itself", said))
            for name in self.most_bytes:
                self.most_bytes[name] = max(self.most_bytes[name], self._rss(name))
            now = time.monotonic()
            if now - asked_at > ADMIN_EVERY_S:
                asked_at = now
                if await self._is_seen():
                    seen_at = now
                elif now - seen_at > SILENT_S:
                    self._findings.add("stalled", self._standstill(now - seen_at))
                    seen_at = now
            await asyncio.sleep(LOOK_S)

    async def _is_seen(self) -> bool:
        try:
            found = (await self.client.get("/admin/memory")).document.get("supervisors", [])
        except OSError:
            return False
        if found:
            self.children = max(self.children, len(found[0].get("children", [])))
        return len(found) == 1

    def _standstill(self, seconds: float) -> str:
        """What the supervisor is doing instead, as far as it shows from outside."""
        pid = self._stack.pids["supervisor"]
        said = [f"/admin/memory has not shown the supervisor {pid} for {seconds:.0f} s"]
        for name in ("wchan", "stack", "syscall"):
            try:
                said.append(f"{name}: {Path(f'/proc/{pid}/{name}').read_text().strip()}")
            except OSError as error:
                said.append(f"{name}: {error.strerror}")
        return "; ".join(said)

    async def _look_for_rests(self) -> None:
        """Processes, temporary files and shared memory that nobody has any more."""
        deadline = time.monotonic() + LEAVING_S
        while (left := psutil.Process().children(recursive=True)) and time.monotonic() < deadline:
            _reap()
            await asyncio.sleep(LOOK_S)
        for process in left:
            self._findings.add("left process", str(process))
            process.kill()
        for path in (self.directory / "tmp").rglob("*"):
            self._findings.add("left file", str(path))
        for name in sorted(_shared_memory() - self._shm):
            self._findings.add("left file", f"shared memory {name}")


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reap() -> None:
    """Adopted children that have ended; those of the stack have been waited for."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _own_shared_memory() -> set[str]:
    """What is in shared memory now: nothing, where this process may have one of its own, apart from the machine's."""
    libc = ctypes.CDLL(None)
    if sys.platform == "linux" and libc.unshare(_CLONE_NEWNS) == 0:
        libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
        libc.mount(b"tmpfs", bytes(_SHM), b"tmpfs", 0, None)
    return _shared_memory()


def _shared_memory() -> set[str]:
    return {path.name for path in _SHM.iterdir()} if _SHM.is_dir() else set()
