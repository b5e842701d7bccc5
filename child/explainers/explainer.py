"""What every explainer is to the child that calls it. Its file adds how it is chosen and built: see `kinds`."""

from typing import Protocol

from child.models.model import Output, Rows


class Explainer(Protocol):
    """Built once in a template, called in its children."""

    engine: str
    """What computes, e.g. `shap.LinearExplainer`."""
    explains: str
    """`margin`, `probability`, `prediction` or `path_length`."""
    output: Output
    """The model's own output that the values add up to; for trees, that of their arrays."""
    base_values: list[float]
    """One for each output."""
    relative_error: float
    """What its arithmetic may miss the output by, of what its values add up: see `additivity`."""
    magnitude: float
    """The most that the model itself adds up on the way to an output; 0 where that is not known."""
    warnings: tuple[tuple[str, str], ...]
    """What is odd about its values but no error: see `Model.warnings`."""
    rows_per_pass: int
    """Rows that it takes side by side: fewer take as long."""
    asked_per_row: int
    """Rows that the model is asked for to explain one; 0 where it is not asked."""

    def needs_bytes(self, rows: int) -> int:
        """The peak of a child that explains a chunk of so many rows, over what it is forked with: an estimate."""
        ...

    def explain(self, rows: Rows, first: int) -> Rows:
        """(rows, features[, features], outputs), float64; `first` is the first row's number in the whole data."""
        ...
