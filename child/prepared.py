"""What a template has prepared, and its children inherit: the model's features and the explainer.

Built by `template`, used by `opening` and `chunk`. Does not talk to anyone.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from child import finite, memory, refused
from child.models.model import Rows
from child.parts import Source
from child.rows import layout
from jobs import planner
from jobs.errors import AdditivityFailed
from jobs.options import Options
from jobs.records import Layout, ModelInfo
from jobs.spans import Span
from jobs.warnings import JobWarning

if TYPE_CHECKING:
    from child.explainers.additivity import Miss
    from child.explainers.explainer import Explainer


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that a chunk needs beside its rows."""

    options: Options
    model: layout.Wanted
    explainer: "Explainer"
    info: ModelInfo
    width: int
    """The most columns that a row has on its way to values: see `explainers.steps`."""
    doubt: str = ""
    """See `Model.doubt`."""

    def needs_bytes(self, rows: int) -> int:
        """The peak of a child that explains so many rows, over what it is forked with: an estimate."""
        return memory.copied_bytes() + self.explainer.needs_bytes(rows)

    @property
    def rows_per_pass(self) -> int:
        """See `Explainer.rows_per_pass`."""
        return self.explainer.rows_per_pass

    @property
    def asked_per_row(self) -> int:
        """See `Explainer.asked_per_row`."""
        return self.explainer.asked_per_row

    @property
    def rows_per_block(self) -> int:
        """Rows that are explained at once."""
        interactions = self.options.interactions
        return planner.rows_per_block(self.width, len(self.info.outputs), interactions=interactions)

    def pairs(self, found: Layout) -> int:
        """Interaction values of a row, of the columns that the result has; 0 where none are wanted."""
        columns = len(self.options.columns or self.info.values_of(found))
        return columns**2 * len(self.info.outputs) if self.options.interactions else 0

    def read(self, source: Source, span: Span, found: Layout) -> Rows:
        """The span's rows in the model's order, checked."""
        return layout.read_in_order(source, span, found, self.model)

    def unknown(self, found: Layout) -> list[JobWarning]:
        """What was read until now that the model does not know: see `rows.layout`."""
        return layout.unknown(found, self.model)

    def predict(self, rows: Rows) -> Rows:
        """The model's output that is explained: (rows, outputs)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.explainer.output.call(rows)

    def explain(self, rows: Rows, first: int) -> "tuple[Rows, Miss]":
        """One block's values, and what they miss the model's output by. Raises NotFinite and AdditivityFailed."""
        from child.explainers import additivity

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                values = self.explainer.explain(rows, first)
                finite.check(values, self.info.name, first, self.info.columns or self.info.features)
                miss = additivity.largest_miss(self.explainer, rows, values)
            except refused.REFUSALS as error:
                raise refused.named(self.predict, rows, first, self.model, error) from error
        if self.options.check_additivity and not miss.ok:
            raise AdditivityFailed(largest_error=miss.error, tolerance=miss.tolerance)
        return values, miss
