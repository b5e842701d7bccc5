"""The two ways of leaving features out, each as an object that rows are given to. Runs where the library is used.

Path-dependent: a feature that is left out follows the covers of the trees. Interventional: it comes from the rows of a
background. Not covered: what a table is (`rows`), what trees a model has (`fitted`).
"""

from dataclasses import dataclass, field

import numpy as np

from shaptrees import engine, levels, threads
from shaptrees.approximate import approximate_values
from shaptrees.arrays import Floats, Trees
from shaptrees.background import Background
from shaptrees.covers import of_rows
from shaptrees.losses import Transform

BACKGROUND_PIECE = 512
"""Rows that are set against a background at a time, whatever the number of threads: see `threads`."""
MOST_FEATURES = 63
"""On a path, that the kernel can set against a background; NumPy can with more."""


@dataclass(frozen=True)
class PathDependent:
    """By the covers of the trees."""

    trees: Trees
    n_jobs: int = 1

    def __post_init__(self) -> None:
        engine.prepare(self.trees)

    def expected(self, _: Floats) -> Floats:
        """(K,)."""
        return self.trees.expected_value

    def turned(self, raw: Floats, _: Floats) -> Floats:
        """Raw outputs (n, K), which is what is explained."""
        return raw

    def values(self, x: Floats, _: Floats) -> Floats:
        """(n, F) or (n, F, K)."""
        return self._in_pieces(x, pairs=False)

    def interactions(self, x: Floats) -> Floats:
        """(n, F, F) or (n, F, F, K)."""
        return self._in_pieces(x, pairs=True)

    def approximate(self, x: Floats) -> Floats:
        """Saabas' values: (n, F) or (n, F, K)."""
        return approximate_values(self.trees, x)

    def _in_pieces(self, x: Floats, *, pairs: bool) -> Floats:
        many = 1 if levels.kernel is None else self.n_jobs
        compute = engine.interaction_values if pairs else engine.shap_values
        row_bytes = 8 * self.trees.outputs * self.trees.features ** (2 if pairs else 1)
        piece = threads.piece_rows(len(x), row_bytes, many)
        return threads.in_pieces(lambda rows: compute(self.trees, x[rows]), len(x), piece=piece, threads=many)


@dataclass(frozen=True)
class Interventional:
    """Against background rows (N, F), of the raw output or of what a transform makes of it."""

    trees: Trees
    data: Floats
    transform: Transform | None = None
    doubled: bool = False
    """Whether a probability is explained together with its complement."""
    n_jobs: int = 1
    _background: Background = field(init=False)

    def __post_init__(self) -> None:
        deep = sum(1 for _ in self.trees.levels()) - 1 > MOST_FEATURES
        background = Background(self.trees, self.data, level=levels.NUMPY if deep else None)
        object.__setattr__(self, "_background", background)

    def expected(self, y: Floats) -> Floats:
        """(K,), or (n,) for labels y (n,) of rows whose loss is explained."""
        if self.transform is None:
            return self._background.expected_value
        margin = self._background.margin[:, 0]
        means = np.array([self.transform.of(margin, label).mean() for label in y])
        return self._both(means) if not self.transform.labels else means

    def turned(self, raw: Floats, y: Floats) -> Floats:
        """What is explained, from raw outputs (n, K): (n, K)."""
        if self.transform is None:
            return raw
        turned = self.transform.of(raw[:, 0], y)[:, None]
        return np.hstack([1 - turned, turned]) if self.doubled else turned

    def values(self, x: Floats, y: Floats) -> Floats:
        """(n, F) or (n, F, K)."""
        phi = threads.in_pieces(
            lambda rows: self._piece(x[rows], y[rows]), len(x), piece=BACKGROUND_PIECE, threads=self.n_jobs
        )
        return np.stack([-phi, phi], axis=-1) if self.doubled else phi

    def interactions(self, x: Floats) -> Floats:
        """(n, F, F) or (n, F, F, K), of the raw output."""
        piece = min(BACKGROUND_PIECE, threads.piece_rows(len(x), 8 * self.trees.outputs * self.trees.features**2, 1))
        return threads.in_pieces(
            lambda rows: self._background.interactions(x[rows]), len(x), piece=piece, threads=self.n_jobs
        )

    def approximate(self, x: Floats) -> Floats:
        """Saabas' values (n, F) or (n, F, K) of the raw output, by the background's covers."""
        if self.transform is not None:
            raise NotImplementedError("approximate values are of the raw output")
        return approximate_values(of_rows(self.trees, self.data), x)

    def _piece(self, x: Floats, y: Floats) -> Floats:
        chords = self.transform and self.transform.chords
        return self._background.scaled(x, lambda a, b: chords(a, b, y)) if chords else self._background.values(x)

    def _both(self, means: Floats) -> Floats:
        return np.array([1 - means[0], means[0]]) if self.doubled else means[:1]
