"""Which system calls are refused to whom. Pure data, for `sandbox`; what a rule means: see `seccomp`.

Arguments that are pointers cannot be judged here; paths are Landlock's.
"""

import errno
import os

from supervisor.children import syscalls
from supervisor.children.seccomp import ASK, Refuse

THREAD, SIBLING, NAMESPACES = 0x0001_0000, 0x0000_8000, 0x7E02_0000
"""Flags of clone(2)."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
SET_OWNER, SET_SIGNAL, SET_OWNER_EX, SET_PIPE_SIZE = 8, 10, 15, 1031
"""Commands of fcntl(2) by which a file signals somebody, or holds a megabyte that no cap counts;"""
OWNER_REQUESTS, TYPE_AHEAD = (0x8901, 0x8902), 0x5412
"""of ioctl(2), the former, and what pretends to be a keyboard."""
SET_PARENT_DEATH_SIGNAL, SET_DUMPABLE = 1, 4
"""Options of prctl(2)."""
_GROUPS = (
    syscalls.NETWORK,
    syscalls.PROGRAMS,
    syscalls.OTHER_PROCESSES,
    syscalls.SHARED_MEMORY,
    syscalls.FILES,
    syscalls.NAMESPACES,
    syscalls.KERNEL,
)


def _unless(name: str, argument: int, value: int) -> Refuse:
    return Refuse(name, argument=argument, has="other value", value=value)


ALWAYS = (
    _unless("prlimit64", 0, 0),  # one's own limits, priority and processors are one's own business
    _unless("setpriority", 0, os.PRIO_PROCESS),
    _unless("setpriority", 1, 0),
    _unless("ioprio_set", 0, 1),
    _unless("ioprio_set", 1, 0),
    *(_unless(name, 0, 0) for name in ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr")),
    *(Refuse("fcntl", argument=1, value=command) for command in (SET_OWNER, SET_SIGNAL, SET_OWNER_EX, SET_PIPE_SIZE)),
    *(Refuse("ioctl", argument=1, value=request) for request in (*OWNER_REQUESTS, TYPE_AHEAD)),
    Refuse("clone", argument=0, has="bits", value=NAMESPACES | SIBLING),
    Refuse("clone3", errno.ENOSYS),  # what these two want cannot be seen; libraries fall back on older ones
    Refuse("openat2", errno.ENOSYS),
    *(Refuse(name) for group in _GROUPS for name in syscalls.numbers(group)),
)
"""Also to a forkserver."""
NO_WRITING = (
    Refuse("openat", argument=2, has="bits", value=WRITING),
    Refuse("open", argument=1, has="bits", value=WRITING),
)
"""From when on a fork has made itself the first to be killed, which is done by writing to /proc."""
ASKED_FOR = (
    Refuse("clone", ASK, argument=0, has="no bits", value=THREAD),
    *(Refuse(name, ASK) for name in ("fork", "vfork")),
)
"""Of a template: see `fork_gate`."""
NO_PROCESSES = (
    Refuse("clone", argument=0, has="no bits", value=THREAD),
    *(Refuse(name) for name in ("fork", "vfork", "setsid", "setpgid")),
    Refuse("prctl", argument=0, value=SET_PARENT_DEATH_SIGNAL),  # or it would outlive its parent,
    Refuse("prctl", argument=0, value=SET_DUMPABLE),  # or hide its pages from the watch
)
"""To who works on one chunk: threads, but nothing that outlives it."""


def no_signals(own_pid: int) -> tuple[Refuse, ...]:
    """To others, where Landlock does not see to that."""
    return tuple(_unless(name, 0, own_pid) for name in ("kill", "tkill", "tgkill"))
