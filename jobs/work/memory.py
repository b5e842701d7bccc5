"""A child's account of its own memory, and how it tells running out from any other failure.

Runs in templates and children. Does not set the cap: whoever forked this process did.
"""

import gc
import resource
from pathlib import Path

from jobs.codec import MemoryReport

STATUS = Path("/proc/self/status")
KIB = 1024
_OUT_OF_MEMORY = (
    "bad_alloc",
    "out of memory",
    "unable to allocate",
    "cannot allocate memory",
    "can't start new thread",  # its stack
    "failed to map segment",  # a library that is loaded late
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this exception, or one that it was raised from, says that an allocation failed.

    Native libraries report std::bad_alloc as errors of their own (XGBoostError, LightGBMError, RuntimeError).
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or any(words in str(seen).lower() for words in _OUT_OF_MEMORY):
            return True
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return False


def make_room_to_report() -> None:
    """Raise the soft address-space limit to the hard one and free what garbage there is."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    gc.collect()


def anonymous_bytes() -> int:
    """RssAnon now; 0 where the platform does not tell."""
    return _status().get("RssAnon", 0)


def report(anonymous_at_start: int) -> MemoryReport:
    """What this process took at its peak, over what it was forked with (`anonymous_bytes` at its start)."""
    status = _status()
    high = status.get("VmHWM", 0)
    added = high - status.get("RssFile", 0) - anonymous_at_start
    return MemoryReport(peak_bytes=max(0, added), vm_peak_bytes=status.get("VmPeak", 0), vm_hwm_bytes=high)


def _status() -> dict[str, int]:
    """The sizes in /proc/self/status, in bytes; empty on systems without it (macOS)."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): int(size) * KIB for name, size, _ in fields}
