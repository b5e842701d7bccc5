"""Runs in a supervisor of the campaign, copied as `sitecustomize.py`: shifts its wall clock, also while it runs.

The file `offset` beside the copy holds the seconds. Only what asks `time.time` or `time.time_ns` sees the shift; leases
must not depend on it. Monotonic clocks are left alone, as a jump of the wall clock leaves them alone.
"""

import time
from pathlib import Path

_OFFSET = Path(__file__).with_name("offset")
_true_time, _true_time_ns = time.time, time.time_ns


def _offset_s() -> float:
    try:
        return float(_OFFSET.read_text())
    except (OSError, ValueError):
        return 0.0


def _shifted_time() -> float:
    return _true_time() + _offset_s()


def _shifted_time_ns() -> int:
    return _true_time_ns() + int(_offset_s() * 1e9)


if __name__ == "sitecustomize":
    time.time, time.time_ns = _shifted_time, _shifted_time_ns
