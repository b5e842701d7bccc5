"""A process that another says it has forked: checked, and held, so that no other is signalled under its pid.

Runs in the supervisor; Linux in full, elsewhere by pid alone. Does not believe whoever tells the pid: it may have read
a hostile model. Does not reap: that is its parent's.
"""

import asyncio
import contextlib
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

HOLDS = hasattr(os, "pidfd_open") and Path("/proc/self/stat").exists()


class NotItsChild(Exception):
    """The pid is not that of a child of whoever told it."""


class Descendant:
    """A living process, or one that has not been gone for long."""

    def __init__(self, pid: int, descriptor: int | None) -> None:
        self._pid = pid
        self._descriptor = descriptor
        self._released = False

    @classmethod
    def told_by(cls, parent: int, pid: int) -> "Descendant":
        """Raises NotItsChild, and ProcessLookupError where there is no such process any more."""
        if not HOLDS:
            return cls(pid, None)
        try:
            found = cls(pid, os.pidfd_open(pid))
        except ProcessLookupError:
            raise
        except OSError as error:
            raise NotItsChild(f"pid {pid}: {error.strerror}") from None
        if _parent(pid) not in (parent, None):  # held before it is asked, so that the answer is about this one
            found.release()
            raise NotItsChild(f"pid {pid} is no child of process {parent}")
        return found

    @property
    def gone(self) -> bool:
        """Whether it has exited, or was released; False where that cannot be told."""
        if self._descriptor is None:
            return self._released
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def when_gone(self, call: Callable[[], None]) -> None:
        """Once, on the running event loop, unless it is released before."""
        if self._descriptor is not None:
            asyncio.get_running_loop().add_reader(self._descriptor, self._went, call)

    def kill(self) -> None:
        """SIGKILL to it, and to the group that it leads; no error when it is gone."""
        if self.gone:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
            os.killpg(self._pid, signal.SIGKILL)

    def release(self) -> None:
        """It is not signalled from now on."""
        if self._descriptor is not None:
            self._stop_listening()
            os.close(self._descriptor)
        self._descriptor, self._released = None, True

    def _went(self, call: Callable[[], None]) -> None:
        self._stop_listening()
        call()

    def _stop_listening(self) -> None:
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)


def _parent(pid: int) -> int | None:
    """None of a process that has gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None
