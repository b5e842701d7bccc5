"""Who else uses this supervisor's name: an earlier process, or another one that is alive. Runs in the supervisor.

Pure but for one look at this machine's processes. Does not adopt what a predecessor left: see `rescue`.
"""

import os
import socket
from collections.abc import Mapping
from typing import Any

import psutil

SILENT_S = 4.0
"""A supervisor that has not been heard of for so many seconds (heartbeats come every second) is taken for gone."""


class Predecessor:
    """Whether the list of our name may be adopted: not while another process under that name is alive.

    Fed with the snapshot that stood under our name: before we began, then at each heartbeat. Time is handed in, in
    seconds of any clock.
    """

    def __init__(self, incarnation: str) -> None:
        self._incarnation = incarnation
        self._asked = False
        self._last: tuple[Any, Any] | None = None
        self._heard_at: float | None = None
        self.name_conflict: str | None = None
        """Host and process id of another supervisor that is alive under our name."""

    def heard(self, before: Mapping[str, Any] | None, now: float) -> None:
        """`before`: the snapshot that stood there, or that our heartbeat replaced. The same one again is no news: what
        a dead predecessor left stands there until our first heartbeat.
        """
        first, self._asked = not self._asked, True
        if before is None or before.get("incarnation") == self._incarnation:
            return
        known, self._last = self._last, (before.get("incarnation"), before.get("sent_at"))
        if known == self._last or (first and _is_dead(before)):
            return
        self._heard_at = now
        self.name_conflict = None if first else f"{before.get('host')}:{before.get('pid')}"

    def gone_in(self, now: float) -> float:
        """Seconds until it counts as gone: SILENT_S after its last heartbeat, 0 when it died on this machine."""
        return 0.0 if self._heard_at is None else max(0.0, self._heard_at + SILENT_S - now)


def _is_dead(snapshot: Mapping[str, Any]) -> bool:
    """On this machine, and no such process any more: a restart after a crash. Elsewhere we cannot know."""
    pid = snapshot.get("pid")
    if snapshot.get("host") != socket.gethostname() or not isinstance(pid, int):
        return False
    try:
        return pid == os.getpid() or psutil.Process(pid).create_time() > snapshot["sent_at"]
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, KeyError, TypeError):
        return False
