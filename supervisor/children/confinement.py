"""What a fork of the forkserver does to itself before it works: its group, its end, its descriptors, its cap.

Runs in forkserver, templates and children; Linux in full, elsewhere what there is. Does not close network and files:
see `sandbox`. What a child inherits of the environment: see `stacks`.
"""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys

from supervisor.children.fork_protocol import FILE_DESCRIPTOR, HARD_MARGIN_BYTES, address_space_bytes

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CHILD_NICENESS = 10
EXIT_UNREPORTED = 70
"""An exception got past the work's own reporting."""
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


def lead_group(pid: int) -> None:
    """Done by parent and fork, so that the group exists before either goes on."""
    with contextlib.suppress(OSError):  # the other was first, or the fork has gone already
        os.setpgid(pid, pid)


def die_with_parent() -> None:
    """Linux only; elsewhere the closed connection is what ends a child."""
    parent = os.getppid()
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if parent == 1 or os.getppid() != parent:
            os._exit(EXIT_UNREPORTED)


def adopt_orphans() -> None:
    """Linux only: whatever our descendants leave behind becomes our child, where we find it."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def keep_only(descriptors: list[int]) -> list[socket.socket]:
    """Close every descriptor but these; the second becomes stdout and stderr, the fourth is a file.

    Returns the others as sockets.
    """
    connection, stderr, *more = descriptors
    control, files = more[:1], more[1:]
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(stderr, 1)
    os.dup2(stderr, 2)
    for file in files:
        os.dup2(file, FILE_DESCRIPTOR)
    kept = sorted([connection, *control, *(FILE_DESCRIPTOR for _ in files)])
    last = 2
    for descriptor in kept:
        os.closerange(last + 1, descriptor)
        last = descriptor
    os.closerange(last + 1, _highest_descriptor() + 1)
    return [socket.socket(fileno=descriptor) for descriptor in (connection, *control)]


def _highest_descriptor() -> int:
    directory = "/proc/self/fd" if LINUX else "/dev/fd"
    return max(int(name) for name in os.listdir(directory))


def be_killed_first() -> None:
    """If the machine runs out of memory, the kernel shall take a child and not the supervisor."""
    if LINUX:
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")


def give_way() -> None:
    """On a busy machine the watch must come in time, and so must the answer to another child's question."""
    os.setpriority(os.PRIO_PROCESS, 0, max(CHILD_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def limit_address_space(cap_bytes: int) -> None:
    if LINUX:
        limit = address_space_bytes(own_sizes()["VmSize"], cap_bytes)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit + HARD_MARGIN_BYTES))


def own_sizes() -> dict[str, int]:
    """The sizes in /proc/self/status, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        pairs = (line.split(":", 1) for line in file if line.startswith(("Vm", "Rss")))
        return {name: int(value.split()[0]) * 1024 for name, value in pairs}
