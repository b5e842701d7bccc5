"""Which implementation of the engine runs: the C kernel at one of its levels, or NumPy.

A level is an instruction set that the kernel was compiled for. Does not compute anything: see `engine`.
"""

from functools import cache
from types import ModuleType

import numpy as np

from shaptrees.arrays import Floats
from shaptrees.quadrature import table

CALLS = 2
"""The way in which the kernel is called: its own number must be the same."""

kernel: ModuleType | None
try:
    from shaptrees import _kernel as kernel  # type: ignore[no-redef]

    _REASON = ""
except ImportError as fault:  # built without a compiler
    kernel = None
    _REASON = str(fault)
if kernel is not None and getattr(kernel, "CALLS", 1) != CALLS:
    kernel, _REASON = None, "it was compiled from another version: build it again"

NUMPY = "numpy"


def available() -> tuple[str, ...]:
    """The implementations that this machine can run, slowest first: "numpy", and levels of the C kernel."""
    return (NUMPY,) if kernel is None else (NUMPY, *kernel.levels())


def chosen() -> tuple[str, str]:
    """The implementation that is taken where none is named, and in a few words why."""
    if kernel is None:
        return NUMPY, f"the C kernel is not installed: {_REASON}"
    return available()[-1], "the widest vectors that this processor has"


def fixed_bytes(*, background: bool) -> int:
    """What the chosen implementation takes however few the rows: NumPy's pieces, the kernel's tables. Measured."""
    if chosen()[0] != NUMPY:
        return 900 * 1024 if background else 0
    return int((4.5 if background else 11) * 1024 * 1024)


def at(level: str | None) -> tuple[ModuleType, int] | None:
    """The kernel and the number of a level (None: the chosen one); None for NumPy. ValueError for unknown levels."""
    level = level or chosen()[0]
    if level not in available():
        raise ValueError(f"level is one of {', '.join(available())}, not {level}")
    return None if kernel is None or level == NUMPY else (kernel, kernel.levels().index(level))


@cache
def points(most: int) -> Floats:
    """(most + 1, 2, most): nodes and weights on [0, 1] for every number of them."""
    points = np.zeros((most + 1, 2, most))
    for count in range(1, most + 1):
        points[count, :, :count] = table(count)
    return points
