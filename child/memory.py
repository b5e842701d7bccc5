"""A child's account of its own memory, and how it tells running out from any other failure.

Runs in templates and children. Does not set the cap: whoever forked this process did.
"""

import gc
import os
import resource

from child.stack import is_lean
from jobs.out_of_memory import says_out_of_memory
from jobs.protocol import MemoryReport

STATUS, SHARES, PAGES = "/proc/self/status", "/proc/self/smaps_rollup", "/proc/self/statm"
LONGEST = 64 * 1024
"""Of such a file."""
KIB = 1024
MIB = 1024 * KIB
FEW_FAULTS = 1_200
"""To look at all its pages takes a child a millisecond, so who has touched few pages only counts them."""
FILE_FAULTS = 100
"""Of them, that read pages of libraries, 16 at a time, and add nothing. Measured."""


def copied_bytes() -> int:
    """What a child writes to of the pages that it has inherited, whatever it does: mostly counts of references, and the
    more of them the more is loaded. Measured.
    """
    return int((3.2 if is_lean() else 5.5) * MIB)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this exception, or one that it was raised from, says that an allocation failed.

    Native libraries report std::bad_alloc as errors of their own (XGBoostError, LightGBMError, RuntimeError).
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or says_out_of_memory(str(seen)):
            return True
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return False


def make_room_to_report() -> None:
    """Raise the soft address-space limit to the hard one and free what garbage there is."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    gc.collect()


def room_bytes() -> int | None:
    """Address space left up to the soft limit; None without a limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else max(0, soft - _sizes(STATUS).get("VmSize", 0))


def anonymous_bytes() -> int:
    """Resident and no file's now; 0 where the platform does not tell."""
    _, resident, shared, *_ = map(int, (_read(PAGES) or b"0 0 0").split())
    return (resident - shared) * resource.getpagesize()


def report(anonymous_at_start: int) -> MemoryReport:
    """What this process took at its peak, over what it was forked with (`anonymous_bytes` at its start): new pages, and
    copies of inherited ones, which it has made by writing to them.
    """
    status = _sizes(STATUS)
    high, anonymous = status.get("VmHWM", 0), anonymous_bytes()
    added = max(0, high - status.get("RssFile", 0) - anonymous_at_start)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    if faults < FEW_FAULTS:
        copied = max(0, (faults - FILE_FAULTS) * resource.getpagesize() - added)
    else:
        copied = max(0, _sizes(SHARES).get("Private_Dirty", 0) - max(0, anonymous - anonymous_at_start))
    return MemoryReport(peak_bytes=added + copied, vm_peak_bytes=status.get("VmPeak", 0), vm_hwm_bytes=high)


def _sizes(path: str) -> dict[str, int]:
    """The sizes in such a file, in bytes; empty on systems without it (macOS)."""
    fields = [line.split() for line in _read(path).splitlines() if line.endswith(b" kB")]
    return {name[:-1].decode(): int(size) * KIB for name, size, _ in fields}


def _read(path: str) -> bytes:
    """Without the layers of `open`: they would be most of what a short child touches."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, LONGEST)
    finally:
        os.close(descriptor)
