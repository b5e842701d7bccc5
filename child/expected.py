"""The caller's own predictions for the first rows, compared with the model's output that is explained.

Used in the child that opens a job, before anything is explained: a model that does not predict here what it predicted
where it was made would be explained wrongly, and nothing else can tell. Does not say why they differ: see
`likely_causes`.
"""

from collections.abc import Iterator

import numpy as np

from child import likely_causes, refused
from child.likely_causes import Seen
from child.models.model import Rows
from child.parts import Source
from child.prepared import Prepared
from child.rows import cells, predictions
from child.rows.table import Table
from jobs.errors import BadExpected, ExpectedDiffers
from jobs.records import Layout
from jobs.spans import Span

RELATIVE, OF_LARGEST = 1e-5, 2e-6
"""What may be missed, of a number itself and of the largest of its output: XGBoost adds up in 32-bit floats."""
SINGLE = 2**-23
LOOKED_AT = 64
"""Rows, from the first that differs, by which a cause is looked for."""


def check(expected: Source, data: Source, table: Table, found: Layout, prepared: Prepared) -> None:
    """Raises BadExpected for what cannot be compared, and ExpectedDiffers."""
    wanted = fitted(predictions.read(expected), prepared.info.outputs, prepared.info.explains)
    if len(wanted) > table.rows:
        reason = f"it has {len(wanted)} rows and data has {table.rows}; send the predictions of data's first rows"
        raise BadExpected(field=expected.field, reason=reason)
    blocks = _blocks(data, table, found, prepared, range(len(wanted)))
    output = np.concatenate(list(_predicted(blocks, prepared, data.field)))
    allowed = tolerance(output) + _rounding(prepared)
    off = ~(np.abs(wanted - output) <= allowed)  # what is not a number, too
    if not off.any():
        return
    first = int(off.any(axis=1).argmax())
    near = range(first, min(first + LOOKED_AT, len(wanted)))
    rows = np.concatenate(list(_blocks(data, table, found, prepared, near)))
    seen = Seen(wanted[first : near.stop], output[first : near.stop], rows, found.features, prepared)
    column = int(off[first].argmax())
    raise ExpectedDiffers(
        field=expected.field,
        row=first,
        output=prepared.info.outputs[column],
        explains=prepared.info.explains,
        found=float(output[first, column]),
        expected=float(wanted[first, column]),
        tolerance=float(allowed[first, column]),
        differing=int(off.any(axis=1).sum()),
        rows=len(wanted),
        **likely_causes.find(seen)._asdict(),
    )


def tolerance(output: Rows) -> Rows:
    """(rows, outputs): what may be missed of each number."""
    size = np.abs(output)
    allowed: Rows = RELATIVE * size + OF_LARGEST * size.max(axis=0)
    return allowed


def _rounding(prepared: Prepared) -> float:
    """What XGBoost loses while it adds up: a share of the most that it may, not of what remains."""
    return SINGLE * prepared.explainer.magnitude if prepared.info.family == "xgboost" else 0.0


def fitted(wanted: Rows, outputs: list[str], explains: str) -> Rows:
    """(rows, outputs): of two complementary columns for one output the second, and the other way round; of labels
    which one is said.

    Raises BadExpected where the columns are not those of the outputs.
    """
    width, count = wanted.shape[1], len(outputs)
    if (width, count) == (2, 1) and np.allclose(wanted.sum(axis=1), 1, atol=1e-5):
        return wanted[:, 1:]
    if (width, count) == (1, 2) and explains == "probability":
        return np.concatenate([1 - wanted, wanted], axis=1)
    if width == 1 and explains == "label" and all(map(cells.is_number, outputs)):
        return np.equal(wanted, [float(label) for label in outputs]).astype(np.float64)
    if width != count:
        reason = f"it has {width} columns, and the {explains} that is explained has {count}: {', '.join(outputs[:10])}"
        hint = f". {predictions.NUMBERS_ONLY}" if width == 1 else ""
        raise BadExpected(field="expected", reason=f"{reason}{hint}")
    return wanted


def _predicted(blocks: Iterator[Rows], prepared: Prepared, field: str) -> Iterator[Rows]:
    """What the model gives for these. Raises RowRefused and MissingValue for a row that it does not take."""
    first = 0
    for rows in blocks:
        try:
            yield prepared.predict(rows)
        except refused.REFUSALS as error:
            raise refused.named(prepared.predict, rows, first, prepared.model, error, field=field) from error
        first += len(rows)


def _blocks(data: Source, table: Table, found: Layout, prepared: Prepared, rows: range) -> Iterator[Rows]:
    """These rows in the model's order, a chunk's at a time."""
    per_chunk = table.spans.per_chunk
    for number in range(rows.start // per_chunk, (rows.stop - 1) // per_chunk + 1):
        span = table.spans[number]
        own = {"first": max(span.first, rows.start), "last": min(span.last, rows.stop - 1), "span_first": span.first}
        yield prepared.read(data, Span(**own, start=span.start, end=span.end), found)
