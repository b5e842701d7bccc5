"""A chunk's account for the summary, kept block by block while its values go by. Used in children.

Holds sums, not values. Does not add up chunks: see `summary`.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from child import summary
from child.cohorts import Cohorts
from child.kept import Kept
from child.models.model import Rows
from child.prepared import Prepared
from jobs import kept, warnings
from jobs.records import Label, Layout, Partial
from jobs.sample import drawn
from jobs.spans import Span

if TYPE_CHECKING:
    from child.explainers.additivity import Miss


class Tally:
    """Of one chunk of a job of `total` rows; `labels` are its rows' cohorts, or none."""

    def __init__(self, prepared: Prepared, found: Layout, span: Span, total: int, labels: list[Label]) -> None:
        info, options = prepared.info, prepared.options
        features, outputs = len(info.values_of(found)), len(info.outputs)
        most = kept.quantile_rows(found, info, options)
        self._drawn = Drawn(drawn(span.first, span.last, total=total, most=most, seed=options.seed), features * outputs)
        self._cohorts = Cohorts(labels, features, outputs, found)
        self._pairs = summary.Pairs(prepared.pairs(found))
        self._parts: list[Partial] = []
        self._first = span.first

    def add(self, values: Rows, miss: "Miss", first: int, of: Kept) -> None:
        """A block's, the first row of which is number `first` of the job."""
        effects = summary.effects(values)
        self._parts.append(summary.partial(effects, miss.error, miss.tolerance))
        self._cohorts.add(effects, first - self._first)
        self._drawn.take(effects, first)
        if self._pairs.wanted:
            self._pairs.add(of.columns(values))

    def partial(self, said: warnings.JobWarnings) -> Partial:
        """All of it, with what was said of the rows."""
        whole = summary.merged(self._parts)
        whole.pair_sum, whole.drawn = self._pairs.sum(), self._drawn.values()
        whole.cohorts = self._cohorts.found()
        whole.warnings = warnings.merged(said, whole.warnings)
        return whole


class Drawn:
    """The values of some rows, for quantiles, in an array that is made before any block."""

    def __init__(self, wanted: Sequence[int], width: int) -> None:
        self._wanted = wanted
        self._values = np.empty((len(wanted), width))

    def take(self, effects: Rows, first: int) -> None:
        start, end = bisect_left(self._wanted, first), bisect_left(self._wanted, first + len(effects))
        if start < end:
            picked = [row - first for row in self._wanted[start:end]]
            self._values[start:end] = effects[picked].reshape(end - start, -1)

    def values(self) -> bytes:
        return self._values.astype("<f8").tobytes()
