"""Values against a background of rows (interventional), made ready once for any number of rows.

Features that are not known come from a row of the background, all at once, and every row of the background counts.
`kernel_background.h` and `numpy_background` say how; both know leaves and patterns, not models. Path-dependent values
need no background: see `engine`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shaptrees import levels, numpy_background
from shaptrees.arrays import Floats, Trees
from shaptrees.columns import Columns, columns
from shaptrees.outputs import shaped, symmetric
from shaptrees.prediction import predict
from shaptrees.probability import logistic, low_rank, slopes
from shaptrees.rules import Link

Chords = Callable[[Floats, Floats], Floats]
"""Slopes (n, N) between raw outputs of rows (n,) and of background rows (N,)."""


class Background:
    """What rows are compared with. Made once; forked children share it and only read it.

    With `model_output="raw"`, a row's values and `expected_value` (K,), the background's mean prediction, add up to its
    prediction. With "probability", predictions are put through the model's link, which must be logistic; the difference
    for a pair of rows is handed to features in proportion to their raw values for that pair, as shap does.
    """

    def __init__(
        self,
        trees: Trees,
        background: NDArray[np.floating],
        *,
        model_output: str = "raw",
        level: str | None = None,
    ) -> None:
        """Of rows (N, F). Raises FeatureCount, ValueError for no rows, or where there is no such output or level."""
        if model_output not in ("raw", "probability"):
            raise ValueError(f"model_output is raw or probability, not {model_output}")
        if model_output == "probability" and trees.link != Link.LOGISTIC:
            raise ValueError("only a model with a logistic link has probabilities that differ from its raw output")
        if not len(background):
            raise ValueError("a background has at least one row")
        self._trees, self._name, self._level = trees, level, levels.at(level)
        self._rows = np.array(background, dtype=np.float64)
        self._probability = model_output == "probability"
        self.margin = self._margins(self._rows)
        """(N, K): what the trees give the background's rows, before complements."""
        means = (logistic(self.margin) if self._probability else self.margin).mean(axis=0)
        self.expected_value: Floats = np.array([1 - means[0], means[0]]) if trees.complement else means
        self._equal = np.full(len(self._rows), 1 / len(self._rows))

    def values(self, x: NDArray[np.floating]) -> Floats:
        """SHAP values of rows x (n, F): (n, F), or (n, F, K) for K outputs. Errors as for `engine.shap_values`."""
        if self._probability:
            return self.scaled(x, slopes)
        return shaped(self._trees, self._against(self._columns(x), len(x), self._equal, pairs=False))

    def scaled(self, x: NDArray[np.floating], chords: Chords) -> Floats:
        """Values (n, F) or (n, F, K) of whatever raw outputs are turned into: each pair's raw ones, times its slope.

        Errors as for `values`.
        """
        both, margin = self._columns(x), self._margins(x)
        phi = np.zeros((len(x), len(self._trees.base), self._trees.features))
        for output in range(len(self._trees.base)):
            left, right = low_rank(chords(margin[:, output], self.margin[:, output]) / len(self._rows))
            for of_row, weights in zip(left.T, right, strict=True):
                phi[:, output] += of_row[:, None] * self._against(both, len(x), weights, pairs=False)[:, output]
        return shaped(self._trees, phi)

    def interactions(self, x: NDArray[np.floating]) -> Floats:
        """SHAP interaction values of rows x (n, F): (n, F, F), or (n, F, F, K) for K outputs; symmetric.

        A row of the matrix adds up to the SHAP value of its feature. Raises ValueError for probabilities, which have no
        interactions that add up to values in proportion to raw ones; other errors as for `values`.
        """
        if self._probability:
            raise ValueError("interactions against a background are of the raw output, not of probabilities")
        return shaped(self._trees, symmetric(self._against(self._columns(x), len(x), self._equal, pairs=True)))

    def _margins(self, x: NDArray[np.floating]) -> Floats:
        """(n, K) before complements."""
        raw = predict(self._trees, x, level=self._name)
        return raw[:, 1:] if self._trees.complement else raw

    def _columns(self, x: NDArray[np.floating]) -> Columns:
        return columns(self._trees, np.concatenate([np.asarray(x, dtype=np.float64), self._rows]))

    def _against(self, both: Columns, n: int, weights: Floats, *, pairs: bool) -> Floats:
        """(n, K, F) or (n, K, F, F): of the first n rows against the others, which are weighted (N,)."""
        trees = self._trees
        if self._level is None:
            return numpy_background.accumulate(trees, both, n, weights, pairs=pairs)
        kernel, place = self._level
        rows, background = both.rows[:n].T.copy(), both.rows[n:].T.copy()
        outputs, features = len(trees.base), trees.features
        phi = np.zeros((n, outputs, features, features) if pairs else (outputs, features, n))
        arrays = (*both.arrays(trees), levels.points(kernel.MOST_POINTS), rows, phi)
        kernel.accumulate_background(arrays, background, weights.copy(), len(rows), features, outputs, pairs, place)
        return phi if pairs else phi.transpose(2, 0, 1)
