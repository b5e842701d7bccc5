"""What a process takes, as the system tells. Used by the watch; Linux in full, elsewhere resident memory only.

Judges nothing. A process that has gone has no usage: None, not an error.
"""

import os
import resource
from pathlib import Path

import msgspec
import psutil

PAGE_BYTES = resource.getpagesize()
PROC = Path("/proc")
LINUX = PROC.joinpath("self", "statm").exists()
_PRIVATE = "Private_Dirty:"
"""Private and clean are pages of files that nobody else happens to look at, such as a library's code."""


class Usage(msgspec.Struct, frozen=True):
    """Cheap to read (some 20 µs); sizes in bytes."""

    rss_bytes: int
    vm_size_bytes: int
    anon_bytes: int
    """Resident and no file's: inherited pages included, whether they were written to since or not."""
    faults: int = 0
    """Pages that had to be made or copied so far; what grows by so much without a change of `anon_bytes` are copies."""
    group: int = 0


class Shares(msgspec.Struct, frozen=True):
    """Dear to read: the kernel walks over every page (0.2 to 2 ms). Sizes in bytes."""

    pss_bytes: int
    """Private pages, and of each shared page the part that falls to this process."""
    private_bytes: int
    """Pages that nobody else has, and that were written to."""


def usage(pid: int) -> Usage | None:
    if not LINUX:
        return _portable_usage(pid)
    size_and_more, stat = _read(pid, "statm").split(), _read(pid, "stat").rpartition(")")[2].split()
    if not size_and_more or not stat:
        return None
    size, rss, shared = (int(pages) * PAGE_BYTES for pages in size_and_more[:3])
    return Usage(rss, size, max(0, rss - shared), faults=int(stat[7]), group=int(stat[2]))


def shares(pid: int) -> Shares | None:
    """None where it is not told."""
    sizes = [line.split() for line in _read(pid, "smaps_rollup").splitlines() if line.endswith(" kB")]
    if not sizes:
        return None
    by_name = {name: int(size) * 1024 for name, size, _ in sizes}
    return Shares(by_name.get("Pss:", 0), by_name.get(_PRIVATE, 0))


def companions(pid: int) -> list[int]:
    """The descendants in the process group that `pid` leads; those of a template lead groups of their own."""
    found, parents = [], [pid]
    while parents:
        parent = parents.pop()
        for child in _children(parent):
            seen = usage(child)
            if seen and seen.group == pid:
                found.append(child)
                parents.append(child)
    return found


def _children(pid: int) -> list[int]:
    """Of all its threads."""
    try:
        threads = os.listdir(PROC / str(pid) / "task")
    except OSError:
        return []
    return [int(child) for thread in threads for child in _read(pid, f"task/{thread}/children").split()]


def _read(pid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/{name}", encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _portable_usage(pid: int) -> Usage | None:
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return None
    return Usage(memory.rss, memory.vms, memory.rss)
