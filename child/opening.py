"""Opening a job's data: how many rows a chunk shall have, where each chunk's rows lie, and what it all will take.

Used in the child that opens a job. Explains a few rows only to see how fast that goes; see `chunk` for the rest.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from child import expected, kept, sample
from child.parts import Source
from child.prepared import Prepared
from child.rows import ids, layout
from child.rows.readers import open_table
from child.rows.table import Table
from jobs import planner
from jobs.errors import RowExceedsMemory, VersionMismatch
from jobs.protocol import Open
from jobs.records import Layout
from jobs.spans import Span

MOST_ROWS = 1_000_000
"""In a chunk, where the planner is free to choose."""
TEXT_COPIES = 4
"""Of a file's bytes: as they came, as text, as cells, and as what the model is given."""
MOST_PACED, STEP, STEP_S, SLOW_S = 1_024, 4, 0.005, 0.2
"""To see how fast that goes more and more rows are explained, STEP times as many as before, until that takes STEP_S
longer than the fewest; once only what takes SLOW_S."""
PREDICTIONS_HELP = (
    "Send its own predictions for the first rows as `expected`: it is explained where they are met. Or train it and "
    "save it again with the version that this service has."
)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The data's rows, cut."""

    table: Table
    layout: Layout
    per_chunk: int
    pace: planner.Pace | None
    """Measured where it was wanted."""
    text_bytes: float = 0.0
    """Of a row, while it is read: see `_text_bytes`."""


def open_data(source: Source, request: Open, prepared: Prepared, own: Source | None) -> Opened:
    """Find the rows, cut them, and hold the model to its caller's `own` predictions for the first of them.

    Raises RowExceedsMemory, VersionMismatch, ExpectedDiffers, BadResultOption, and a Problem for data that cannot
    be read.
    """
    if prepared.doubt and own is None:
        raise VersionMismatch(model=prepared.info.name, reason=prepared.doubt, way_out=PREDICTIONS_HELP)
    _check_one_row(request, prepared)
    options = prepared.options
    most_rows = ids.MOST_ROWS if options.id_column or options.by else MOST_ROWS
    free = isinstance(request.batch_size, str)
    most = most_rows if isinstance(request.batch_size, str) else min(request.batch_size, most_rows)
    per_chunk = planner.rows_that_fit(most, request.cap_bytes, partial(needs_bytes, prepared, request))
    table = open_table(source, per_chunk, prepared.model.features)
    if text_bytes := _text_bytes(source, table, prepared):
        needs = partial(needs_bytes, prepared, request, text_bytes=text_bytes)
        fewer = planner.rows_that_fit(per_chunk, request.cap_bytes, needs)
        per_chunk, table = fewer, table if fewer == per_chunk else open_table(source, fewer, prepared.model.features)
    found = _laid_out(table, source, prepared)
    if own:
        expected.check(own, source, table, found, prepared)
    pace = _pace(source, table.spans[0], found, prepared) if free or request.dry_run else None
    fewer = _worth_a_child(table.rows, prepared.asked_per_row, pace if free else None, request.slots)
    if fewer < per_chunk:
        per_chunk, table = fewer, open_table(source, fewer, prepared.model.features)
    return Opened(table=table, layout=found, per_chunk=per_chunk, pace=pace, text_bytes=text_bytes)


def _worth_a_child(rows: int, asked_per_row: int, pace: planner.Pace | None, slots: int) -> int:
    """The most rows that a chunk should have, so that all slots work and the job is seen to go on."""
    if pace:
        return planner.rows_worth_a_child(rows, pace, slots)
    return planner.rows_by_asking(rows, asked_per_row, slots) if asked_per_row else rows


def _laid_out(table: Table, source: Source, prepared: Prepared) -> Layout:
    """With what becomes of the values. Raises as `lay_out`, and BadResultOption."""
    options = prepared.options
    beside = ids.Beside(options.id_column, options.by)
    found = layout.lay_out(table, prepared.model, source.field, options.unknown_columns, beside)
    if options.groups:
        grouped = list(kept.grouping(prepared.info.ungrouped(found), options))
        found = msgspec.structs.replace(found, grouped=grouped)
    kept.check(prepared, found)
    return found


def forecast(opened: Opened, request: Open, prepared: Prepared, seen_bytes: int) -> dict[str, Any]:
    """What a dry run answers, after it has explained a few rows and taken `seen_bytes` for them.

    rows, features, outputs, explainer, engine, reason, rows_per_chunk, chunks, bytes_per_chunk (expected peak of a
    child, with its model), room_bytes (its cap), rows_per_s, seconds.
    """
    assert opened.pace
    info, rows, chunks = prepared.info, opened.table.rows, len(opened.table.spans)
    needed = max(seen_bytes, needs_bytes(prepared, request, min(rows, opened.per_chunk), opened.text_bytes))
    return {
        "dry_run": True,
        "rows": rows,
        "features": len(info.values_of(opened.layout)),
        "outputs": len(info.outputs),
        "explainer": info.explainer,
        "engine": info.engine,
        "reason": info.reason,
        "rows_per_chunk": opened.per_chunk,
        "chunks": chunks,
        "bytes_per_chunk": request.model_bytes + needed,
        "room_bytes": request.model_bytes + request.cap_bytes,
        "rows_per_s": round(opened.pace.rows_per_s, 1),
        "seconds": round(planner.expected_seconds(rows, chunks, opened.pace, request.slots), 3),
    }


def needs_bytes(prepared: Prepared, request: Open, rows: int, text_bytes: float = 0.0) -> int:
    """The peak of a child that explains so many rows and keeps those of the sample: an estimate."""
    own = kept.needs_bytes(prepared, rows) + sample.sampler_bytes(prepared, min(rows, request.sample_rows))
    return prepared.needs_bytes(rows) + own + int(rows * text_bytes)


def _text_bytes(source: Source, table: Table, prepared: Prepared) -> float:
    """What a row of a model that takes text needs beside its numbers: how wide its text is shows in the file."""
    return TEXT_COPIES * source.size / table.rows if prepared.model.words else 0.0


def _check_one_row(request: Open, prepared: Prepared) -> None:
    needed = needs_bytes(prepared, request, 1)
    if needed > request.cap_bytes:
        raise RowExceedsMemory(explainer=prepared.info.explainer, needed_bytes=needed, room_bytes=request.cap_bytes)


def _pace(source: Source, span: Span, found: Layout, prepared: Prepared) -> planner.Pace:
    """Of one child, by the first rows. What the first call takes longer than the same once more, each child pays."""

    def seconds(work: Callable[[], object]) -> float:
        began = time.process_time()  # what others do meanwhile is not its pace
        work()
        return max(time.process_time() - began, 1e-9)

    def explaining(count: int) -> float:
        return seconds(lambda: prepared.explain(rows[:count], span.first))

    last = min(span.last, span.first + MOST_PACED - 1)
    rows = prepared.read(source, Span(**{**_fields(span), "last": last}), found)
    fewest = count = min(prepared.rows_per_pass, len(rows))
    first = explaining(fewest)
    if first > SLOW_S or fewest == len(rows):
        return planner.Pace(fewest / first)
    reading = seconds(lambda: prepared.read(source, Span(**{**_fields(span), "last": last}), found)) / len(rows)
    least = longest = explaining(fewest)
    while count < len(rows) and longest - least < STEP_S:
        count = min(count * STEP, len(rows))
        longest = explaining(count)
    a_row = max((longest - least) / (count - fewest), longest / count / STEP)
    return planner.Pace(1 / (reading + a_row), planner.FIXED_S + max(0.0, first - a_row * fewest))


def _fields(span: Span) -> dict[str, int]:
    return {name: getattr(span, name) for name in span.__struct_fields__}
