"""System calls that Python has no function for, made through the C library. Linux only; used by `sandbox`.

A call is made up ahead: it is a short-lived child that carries it out, where every page that is touched first costs.
"""

import ctypes
import os
import sys
from typing import Any

Call = tuple[Any, ...]
"""A number and arguments."""
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_syscall = _libc.syscall if _libc else None


def call(number: int, *arguments: Any) -> Call:
    """Integers are widened; anything else must be something that ctypes passes as it is."""
    return tuple(ctypes.c_long(word) if isinstance(word, int) else word for word in (number, *arguments))


def make(prepared: Call) -> int:
    """What the kernel answers. Raises OSError."""
    if _syscall is None:
        raise OSError("there is no such system call here")
    result: int = _syscall(*prepared)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def named(name: str, *arguments: Any) -> None:
    """As `make`, by the C library's function of this name. Raises OSError."""
    if _libc is None or getattr(_libc, name)(*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
