"""Which other feature goes with what a feature's SHAP values vary by, where its own value does not vary. Pure.

The same question as `shap.utils.approximate_interactions`: along the feature's values, among neighbours, how closely do
SHAP values follow the other feature?
"""

import math
from collections.abc import Sequence

from plots.explained import Cell, Explained
from plots.ranks import number

LARGEST_WINDOW, WINDOWS = 50, 10


def partner(of: Explained, feature: int, output: int) -> int | None:
    """The strongest one's place; None where no other feature varies."""
    along = sorted_by(coded(of.cells(feature)))
    values = of.of_feature(feature, output)
    values = [values[row] for row in along]
    best, strength = None, 0.0
    for other in range(len(of.features)):
        cells = of.cells(other)
        if other != feature and (found := _follows(values, [cells[row] for row in along])) > strength:
            best, strength = other, found
    return best


def coded(cells: Sequence[Cell]) -> list[float | None]:
    """Numbers as they are, texts by the alphabet."""
    texts = sorted({cell for cell in cells if isinstance(cell, str)})
    if not texts:
        return [number(cell) for cell in cells]
    place = {text: float(code) for code, text in enumerate(texts)}
    return [place[cell] if isinstance(cell, str) else None for cell in cells]


def sorted_by(numbers: Sequence[float | None]) -> list[int]:
    """Rows by these numbers, those without one last."""
    return sorted(range(len(numbers)), key=lambda row: _last_if_missing(numbers[row]))


def _last_if_missing(value: float | None) -> float:
    return math.inf if value is None else value


def _follows(values: Sequence[float], cells: Sequence[Cell]) -> float:
    """The sum of |correlation| over windows: with the other feature's value, or with whether it has one."""
    codes = coded(cells)
    filled = [0.0 if code is None else code for code in codes]
    there = [float(code is not None) for code in codes]
    return max(_over_windows(values, filled), _over_windows(values, there))


def _over_windows(values: Sequence[float], others: Sequence[float]) -> float:
    step = max(1, min(len(values) // WINDOWS, LARGEST_WINDOW))
    starts = range(0, len(values), step)
    return sum(abs(correlation(values[start : start + step], others[start : start + step])) for start in starts)


def correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Pearson's; 0 where one of them does not vary."""
    mean_one, mean_other = math.fsum(one) / len(one), math.fsum(other) / len(other)
    from_one, from_other = [x - mean_one for x in one], [x - mean_other for x in other]
    size = math.hypot(*from_one) * math.hypot(*from_other)
    product = math.fsum(x * y for x, y in zip(from_one, from_other, strict=True))
    return product / size if size > 0 else 0.0
