"""Where each of a feature's values stands between low and high, and what kind of values they are. Pure."""

import math
from collections.abc import Sequence

from plots.explained import Cell

LOW_SHARE, HIGH_SHARE = 0.05, 0.95
"""Below and above are the ends of the colours, so that one outlier does not make all others look alike."""


def is_text(cells: Sequence[Cell]) -> bool:
    """Whether there is text among them: then all are names."""
    return any(isinstance(cell, str) for cell in cells)


def number(cell: Cell) -> float | None:
    """None for text and for what is missing or not finite."""
    return cell if isinstance(cell, int | float) and math.isfinite(cell) else None


def ranks(cells: Sequence[Cell]) -> list[float | None]:
    """0 for low, 1 for high, as colours show it; None for text and for what is missing."""
    numbers = sorted(found for found in map(number, cells) if found is not None)
    if not numbers:
        return [None] * len(cells)
    low, high = quantile(numbers, LOW_SHARE), quantile(numbers, HIGH_SHARE)
    if low == high:
        low, high = numbers[0], numbers[-1]
    return [None if found is None else _share(found, low, high) for found in map(number, cells)]


def quantile(ascending: Sequence[float], share: float) -> float:
    """Between the two nearest, as NumPy's default."""
    at = share * (len(ascending) - 1)
    below = int(at)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (ascending[above] - ascending[below]) * (at - below)


def _share(value: float, low: float, high: float) -> float:
    return 0.5 if low == high else round(min(1.0, max(0.0, (value - low) / (high - low))), 3)
