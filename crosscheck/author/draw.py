"""The dice of one specimen, and a small table to train on. The same seed draws the same in every environment."""

from typing import Any, NamedTuple

import numpy as np

TRAINING_ROWS = 120
ROWS, BACKGROUND_ROWS = 6, 8
MOST_FEATURES = 6
"""By definition, values take 2 to the power of this model calls."""


class Table(NamedTuple):
    """Rows and targets to train on, and rows to explain: float64, categories as whole numbers, NaN where missing."""

    x: Any
    number: Any
    two: Any
    three: Any
    weights: Any
    rows: Any
    background: Any
    categorical: list[int]
    """Columns that hold categories, from 0."""
    names: list[str]

    @property
    def positive(self) -> Any:
        """A target for logarithmic links."""
        return np.exp(np.clip(self.number, -3, 3))

    @property
    def counts(self) -> Any:
        return np.round(self.positive)


class Draw:
    """A generator with words."""

    def __init__(self, *seed: int) -> None:
        self.random = np.random.default_rng(list(seed))

    def pick(self, *options: Any) -> Any:
        return options[int(self.random.integers(len(options)))]

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def whole(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.random.integers(low, high + 1))

    def number(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, high))

    def some(self, share: float = 0.5, **options: Any) -> dict[str, Any]:
        """Each of these with a chance of `share`; a tuple is picked from."""
        taken = {name: option for name, option in options.items() if self.chance(share)}
        return {name: self.pick(*found) if isinstance(found, tuple) else found for name, found in taken.items()}

    def table(self, *, missing: bool = False, categories: bool = False) -> Table:
        """Targets depend on all columns, by products and steps, so that trees of every depth find something."""
        random, features = self.random, self.whole(2, MOST_FEATURES)
        count = TRAINING_ROWS + ROWS + BACKGROUND_ROWS
        x = np.round(random.normal(size=(count, features)) * self.pick(1.0, 10.0, 1e-3), self.pick(2, 6))
        x *= self.pick(1.0, 1.0, 1000.0)
        chosen = (
            sorted(random.choice(features, self.whole(1, max(1, features // 2)), replace=False)) if categories else []
        )
        scale = np.std(x, axis=0) + 1e-12
        target = (x / scale) @ random.normal(size=features) + (x[:, 0] / scale[0]) * (x[:, -1] / scale[-1])
        for column in chosen:
            x[:, column] = random.integers(0, self.whole(3, 9), size=count)
            target = target + random.normal(size=10)[x[:, column].astype(int)]
        if missing:
            x[random.random(x.shape) < self.pick(0.05, 0.3)] = np.nan
        target = target / (np.std(target) + 1e-12)
        names = [f"f {index}" if self.chance(0.1) else f"f{index}" for index in range(features)]
        return self._cut(x, target, [int(column) for column in chosen], names)

    def _cut(self, x: Any, target: Any, categorical: list[int], names: list[str]) -> Table:
        train, asked = slice(0, TRAINING_ROWS), slice(TRAINING_ROWS, TRAINING_ROWS + ROWS)
        number = target[train]
        return Table(
            x=x[train],
            number=number,
            two=(number > np.median(number)).astype(int),
            three=np.digitize(number, np.quantile(number, [0.3, 0.7])),
            weights=self.random.uniform(0.1, 3.0, TRAINING_ROWS) if self.chance(0.3) else None,
            rows=x[asked],
            background=x[TRAINING_ROWS + ROWS :] if self.chance(0.35) else None,
            categorical=categorical,
            names=names,
        )
