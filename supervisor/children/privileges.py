"""Capabilities and no_new_privs: what root has, and what a program could gain. Linux only.

Used by `sandbox`, in forkservers; what they fork inherits it. See prctl(2) and capabilities(7).
"""

import ctypes

from supervisor.children import kernel

CAP_DAC_READ_SEARCH = 1 << 2
"""To read files whatever their permissions say."""
_SET_NO_NEW_PRIVS = 38
_VERSION = 0x2008_0522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Half(ctypes.Structure):
    """The lower or the upper 32 capabilities."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def gain_none() -> None:
    """No program that is run from now on has more rights than this process. Raises OSError."""
    kernel.named("prctl", _SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def drop(*, keep: int) -> None:
    """All capabilities but those of these bits, if they are there at all. Raises OSError."""
    header, halves = _Header(_VERSION, 0), (_Half * 2)()
    kernel.named("capget", ctypes.byref(header), ctypes.byref(halves))
    kept = halves[0].permitted & keep
    halves[0], halves[1] = _Half(kept, kept, 0), _Half()
    kernel.named("capset", ctypes.byref(header), ctypes.byref(halves))
