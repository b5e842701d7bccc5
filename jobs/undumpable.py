"""A process that holds secrets is closed to others of its user. Used by the web process and the supervisor.

Does not cover what they start: a program begins open again, and gets no secrets.
"""

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def close_to_others() -> None:
    """Nobody but root reads this process's memory and environment, or traces it (Linux only); and it leaves no core."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
