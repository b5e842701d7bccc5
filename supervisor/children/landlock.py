"""Landlock: a process gives up the files, ports and processes that it need not reach, and so do all that it forks.

Used by `sandbox`, in forkservers and in what they fork. A page of ctypes over the kernel's structures: see
Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h. Does not know what should be allowed.

The package landlockpy (0.2) would do, but for its weight in every forkserver: 3.7 MB, and it looks for the C library
by running other programs.
"""

import ctypes
import os
from collections.abc import Iterable
from enum import IntFlag

from supervisor.children import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same on every architecture."""
_ASK_VERSION = 1
_PATH_BENEATH = 1


class Files(IntFlag):
    """LANDLOCK_ACCESS_FS_*."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    TRUNCATE = 1 << 14


READ = Files.READ_FILE | Files.READ_DIR
WRITE = Files.WRITE_FILE | Files.TRUNCATE
_ONE_FILE = Files.READ_FILE | WRITE
"""What a rule on something other than a directory may allow."""
_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Which rights over files can be taken away, from which version of the interface on;"""
_PORTS = {4: 0b11}
"""over TCP: to bind and to connect;"""
_SCOPES = {6: 0b11}
"""over others: abstract Unix sockets, and signals."""
SCOPED_SINCE = 6


class _Attributes(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("ports", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Rule(ctypes.Structure):
    """Packed, as the kernel has it."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Of the kernel's interface; 0 where there is none, or where it is turned off."""
    try:
        return kernel.make(kernel.call(_CREATE_RULESET, None, 0, _ASK_VERSION))
    except OSError:
        return 0


def ruleset(allowed: Iterable[tuple[str, Files]]) -> int:
    """A descriptor of rules: these paths, and what is below them; no others, no TCP, nobody outside.

    Paths that are not there are left out. Raises OSError.
    """
    found = version()
    files = _newest(_FILES, found)
    rules = _create(files, _newest(_PORTS, found), _newest(_SCOPES, found))
    try:
        for path, rights in allowed:
            _allow(rules, path, rights & files)
    except BaseException:
        os.close(rules)
        raise
    return rules


def scopes() -> int:
    """A descriptor of rules for whoever is restricted already, and shall reach nobody but itself. Raises OSError.

    It neither signals nor looks at its parent, its siblings and what they have forked.
    """
    found = _newest(_SCOPES, version())
    return _create(0 if found else int(Files.EXECUTE), 0, found)


def restriction(rules: int) -> kernel.Call:
    """The call after which this thread, and what it starts, may do no more than these rules and those of before.

    Needs no_new_privs.
    """
    return kernel.call(_RESTRICT_SELF, rules, 0)


def _newest(by_version: dict[int, int], found: int) -> int:
    return max((rights for since, rights in by_version.items() if since <= found), default=0)


def _create(files: int, ports: int, scoped: int) -> int:
    attributes = _Attributes(files, ports, scoped)
    size = 24 if scoped else 16 if ports else 8  # an older kernel refuses fields that it does not know
    return kernel.make(kernel.call(_CREATE_RULESET, ctypes.byref(attributes), size, 0))


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = _Rule(rights if os.path.isdir(path) else rights & _ONE_FILE, parent)
        kernel.make(kernel.call(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(parent)
