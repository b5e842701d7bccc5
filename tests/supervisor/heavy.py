"""Scripted children whose full forkserver takes as much as libraries would; see `scripted`."""

from tests.supervisor import scripted
from tests.supervisor.memory_acts import MemoryActs
from tests.supervisor.scripted import prepare, run

__all__ = ["LIBRARIES_MB", "prepare", "run", "warm"]

LIBRARIES_MB = 120


def warm(stack: str) -> None:
    scripted.warm(stack)
    if stack == "full":
        MemoryActs.hold(None, str(LIBRARIES_MB))
