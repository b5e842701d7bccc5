"""Large buffers go back to the machine as soon as nobody holds them. Used by the web process and the supervisor.

glibc maps a large block alone and unmaps it when it is freed, but it raises the size that counts as large to the
largest one that was ever freed (mallopt(3), M_MMAP_THRESHOLD). From then on rows and values that pass through live
between small objects, and what they leave is never whole again: resident memory creeps up by some megabytes with the
chunks of a job.
"""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
LARGE_BYTES = 64 * 1024
"""Below the pieces that uploads and values travel in."""


def return_large_buffers() -> None:
    """Fix the size from which a block is mapped alone; nothing happens where the C library has no such setting."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
    mallopt(_M_TRIM_THRESHOLD, 2 * LARGE_BYTES)
