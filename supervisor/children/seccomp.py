"""Seccomp: a process gives up system calls, and so do all that it forks. They answer with an error, and nobody dies.

Used by `sandbox`, in forkservers and in what they fork. Rules become a program for the kernel's classic BPF machine:
see seccomp(2) and include/uapi/linux/seccomp.h. Does not know what should be refused.
"""

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Iterable
from typing import Literal, NamedTuple

from supervisor.children import kernel, syscalls

LOW_BITS = 0xFFFF_FFFF
STEP_BYTES = 8
FEW = 2
"""Numbers that are compared one by one."""
_SECCOMP = {"x86_64": 317, "aarch64": 277}
"""The number of seccomp(2) itself, in the order of `syscalls`,"""
_AUDIT_ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
"""and what the kernel calls these machines."""
_SET_MODE_FILTER = 1
_NO_SLOWER = 1 << 2
"""SECCOMP_FILTER_FLAG_SPEC_ALLOW: older kernels would else turn a processor's speculation off."""
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _SKIP, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x05, 0x06
_ALLOW, _ASK, _ERROR = 0x7FFF_0000, 0x7FC0_0000, 0x0005_0000
ASK = -1
"""In the place of an error: whoever listens decides."""
_LISTEN = 1 << 3
"""SECCOMP_FILTER_FLAG_NEW_LISTENER."""
_IS_AVAILABLE = 2
"""SECCOMP_GET_ACTION_AVAIL."""
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
"""Where they lie in struct seccomp_data."""
Step = tuple[int, int, int, int]
"""An instruction: code, steps to skip if true, if false, value."""


class Refuse(NamedTuple):
    """A system call that answers with `error`: always, or if the lower half of its argument (from 0) is as told."""

    name: str
    error: int = errno.EPERM
    argument: int | None = None
    has: Literal["value", "other value", "bits", "no bits"] = "value"
    value: int = 0


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def machine() -> str | None:
    """The machine's name, where this module knows its system calls."""
    known = sys.platform == "linux" and sys.maxsize > LOW_BITS and sys.byteorder == "little"
    return platform.machine() if known and platform.machine() in _SECCOMP else None


def available() -> bool:
    """Whether this kernel has filters: asked with one that it cannot read."""
    if machine() is None:
        return False
    try:
        kernel.make(_installation(None))
    except OSError as error:
        return error.errno == errno.EFAULT
    return False


def can_ask() -> bool:
    """Whether this kernel lets another process decide."""
    if not available():
        return False
    try:
        action = ctypes.byref(ctypes.c_uint32(_ASK))
        return kernel.make(kernel.call(_SECCOMP[platform.machine()], _IS_AVAILABLE, 0, action)) == 0
    except OSError:
        return False


def installation(rules: Iterable[Refuse], *, listen: bool = False) -> kernel.Call:
    """The call after which these rules hold for this thread and what it starts. Needs no_new_privs.

    With `listen` it answers a descriptor, for whoever decides what rules with ASK are about.
    """
    code = program(rules, str(machine()))
    return _installation(_Program(len(code) // STEP_BYTES, code), _NO_SLOWER | (_LISTEN if listen else 0))


def program(rules: Iterable[Refuse], on: str) -> bytes:
    """A filter for the machine `on`. Every call of another machine's numbering is refused."""
    column = list(_SECCOMP).index(on)
    known = {name: pair[column] for group in syscalls.GROUPS for name, pair in syscalls.numbers(group).items()}
    by_number: dict[int, list[Refuse]] = {}
    for rule in rules:
        number = known[rule.name]
        if number is not None:
            by_number.setdefault(number, []).append(rule)
    code = [
        *_test(_MACHINE, "other value", _AUDIT_ARCH[on], errno.EPERM),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, syscalls.FIRST_UNKNOWN),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
        *_search(sorted(by_number.items())),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in code)


def _installation(filter_program: _Program | None, flags: int = _NO_SLOWER) -> kernel.Call:
    where = ctypes.byref(filter_program) if filter_program else None
    return kernel.call(_SECCOMP[platform.machine()], _SET_MODE_FILTER, flags, where)


def _search(numbered: list[tuple[int, list[Refuse]]]) -> list[Step]:
    """By halves: the kernel tries a new filter for every number at once, so it costs by the steps that it takes."""
    if len(numbered) > FEW:
        middle = len(numbered) // 2
        below, above = _search(numbered[:middle]), _search(numbered[middle:])
        return [(_AT_LEAST, 0, 1, numbered[middle][0]), (_SKIP, 0, 0, len(below)), *below, *above]
    found = [step for number, rules in numbered for step in _one(number, rules)]
    return [*found, (_RETURN, 0, 0, _ALLOW)]


def _one(number: int, rules: list[Refuse]) -> list[Step]:
    judged = [*(step for rule in rules for step in _refusal(rule)), (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(judged), number), *judged]


def _refusal(rule: Refuse) -> list[Step]:
    if rule.argument is None:
        return [(_RETURN, 0, 0, _answer(rule.error))]
    return _test(_ARGUMENTS + 8 * rule.argument, rule.has, rule.value & LOW_BITS, rule.error)


def _test(offset: int, has: str, value: int, error: int) -> list[Step]:
    """Load a word, and answer with an error if it is as told."""
    jump = _ANY_BIT if has in ("bits", "no bits") else _EQUAL
    where = (0, 1) if has in ("value", "bits") else (1, 0)
    return [(_LOAD, 0, 0, offset), (jump, *where, value), (_RETURN, 0, 0, _answer(error))]


def _answer(error: int) -> int:
    return _ASK if error == ASK else _ERROR | error
