"""What a child does with its one chunk, `Open`, `Explain` or `Close`, to how it ended. Every failure becomes a message.

Does not fork, set caps or watch: see `supervisor.children`. A socket that breaks ends the process with PipeClosed, as
there is nobody left to tell.
"""

import socket
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from child import cohorts, failure, memory, opening, sample, summary
from child.kept import Kept
from child.models.model import Rows
from child.parts import Parts, Source
from child.pipe import Pipe, PipeClosed
from child.prepared import Prepared
from child.rows import ids
from child.tally import Tally
from jobs.kept import FLOAT_BYTES, row_bytes
from jobs.protocol import (
    PIECE_BYTES,
    SMALL_BYTES,
    Close,
    Done,
    Explain,
    Ids,
    MemoryReport,
    Open,
    Plan,
    Values,
    Whole,
)
from jobs.records import Layout
from jobs.sample import RowId, drawn
from jobs.spans import Span

Say = Callable[[Plan | Ids | Values], None]


def run(connection: socket.socket, prepared: Prepared | None) -> None:
    """Receive one Open, Explain or Close, do it, and send how it ended: Done or Failed."""
    pipe, start = Pipe(connection), memory.anonymous_bytes()
    try:
        word = _do(pipe, prepared, start)
        done = word.done if isinstance(word, Whole) else word
        done.memory = memory.report(start)
        pipe.send(word)
    except PipeClosed:
        raise
    except Exception as error:  # whatever it is, the job must hear of it
        failure.report(pipe, error, start)


def _do(pipe: Pipe, prepared: Prepared | None, start: int) -> Done | Whole:
    match pipe.receive():
        case Open() as request if prepared:
            return _open(pipe, request, prepared, start)
        case Explain() as request if prepared:
            source = Parts(pipe, request.sizes, request.data).source("data")
            wanted = _sampled(request.span, request.rows, request.sample_rows, prepared)
            layout, rows = request.layout, request.rows
            return _explain(pipe.send, source, request.span, layout, prepared, wanted=wanted, total=rows)
        case Close() as request:
            return _close(pipe, request)
        case request:
            raise PipeClosed(f"{type(request).__name__} is no request for this child")


def _open(pipe: Pipe, request: Open, prepared: Prepared, start: int) -> Done | Whole:
    parts = Parts(pipe, request.sizes, request.data)
    source, own = parts.source("data"), parts.source("expected") if parts.has("expected") else None
    opened = opening.open_data(source, request, prepared, own)
    table, found = opened.table, opened.layout
    if request.dry_run:
        seen_bytes = memory.report(start).peak_bytes
        return Done(memory=MemoryReport(), summary=opening.forecast(opened, request, prepared, seen_bytes))
    plan, held = Plan(layout=found, spans=table.spans), _Held()
    is_small = len(table.spans) == 1 and _is_small(table.rows, found, prepared)
    say = held.say if is_small else pipe.send
    say(plan)
    if len(table.spans) > 1:
        return Done(memory=MemoryReport())
    wanted = _sampled(table.spans[0], table.rows, request.sample_rows, prepared)
    done = _explain(say, source, table.spans[0], found, prepared, wanted=wanted, total=table.rows)
    assert done.partial
    done.summary = summary.summarize([done.partial], prepared.info, found, prepared.options)
    return Whole(plan=plan, values=bytes(held.values), done=done) if is_small else done


class _Held:
    """In the place of a pipe: keeps the values of a small job, until they are sent with all the rest."""

    def __init__(self) -> None:
        self.values = bytearray()

    def say(self, message: Plan | Ids | Values) -> None:
        if isinstance(message, Values):
            self.values += message.data


def _is_small(rows: int, found: Layout, prepared: Prepared) -> bool:
    """Of few values, which are there at once as no model is asked: nobody waits to hear how many rows there are."""
    summed = FLOAT_BYTES * len(prepared.info.values_of(found))  # of a row that is not kept
    size = rows * max(summed, row_bytes(found, prepared.info, prepared.options))
    return size <= SMALL_BYTES and not prepared.asked_per_row and found.id_place is None


def _sampled(span: Span, total: int, most: int, prepared: Prepared) -> list[int]:
    """The numbers of the span's rows that are kept to be shown."""
    return drawn(span.first, span.last, total=total, most=most, seed=prepared.options.seed)


def _explain(
    say: Say, source: Source, span: Span, found: Layout, prepared: Prepared, *, wanted: Sequence[int], total: int
) -> Done:
    """Block by block, so that a chunk's values are never there all at once."""
    own, labels = _send_ids(say, source, span, found, wanted), cohorts.labels(source, span, found)
    rows = prepared.read(source, span, found)
    per_block, kept, tally = prepared.rows_per_block, Kept(prepared, found), Tally(prepared, found, span, total, labels)
    sampler = sample.Sampler(prepared, found, wanted)

    def explain(block: Rows, first: int) -> None:  # whose values are gone before the next block's are there
        values, miss = prepared.explain(block, first)
        values = kept.grouped(values)
        _send_values(say, kept.of_rows(values))
        tally.add(values, miss, first, kept)
        sampler.take(block, values, miss.predictions, first)

    for start in range(0, len(rows), per_block):
        explain(rows[start : start + per_block], span.first + start)
    return Done(memory=MemoryReport(), partial=tally.partial(prepared.unknown(found)), sample=sampler.kept(own))


def _send_ids(say: Say, source: Source, span: Span, found: Layout, wanted: Sequence[int]) -> list[RowId]:
    """Those of the span's rows, where they have any; kept are those of the rows that are wanted."""
    if found.id_place is None:
        return []
    read = ids.read(source, span, found, found.id_place)
    say(read)
    every = msgspec.msgpack.decode(read.data)
    return [every[row - span.first] for row in wanted]


def _close(pipe: Pipe, request: Close) -> Done:
    source = Parts(pipe, request.sizes).source("partials")
    partials = summary.read_partials(source.file)
    total = summary.summarize(partials, request.model, request.layout, request.options)
    return Done(memory=MemoryReport(), summary=total)


def _send_values(say: Say, values: Rows | None) -> None:
    """Without the last axis where there is one output; see `protocol.Values`."""
    if values is None:
        return
    raw = np.ascontiguousarray(values, dtype="<f8").data.cast("B")
    for start in range(0, len(raw), PIECE_BYTES):
        say(Values(bytes(raw[start : start + PIECE_BYTES])))
