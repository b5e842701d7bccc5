"""What a template and a child do, from the first message to the last. Every failure becomes a message here.

Does not fork, set caps or watch: see `supervisor`. A socket that breaks ends the process with PipeClosed, as there
is nobody left to tell.
"""

import socket
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from child import memory, models, opening, summary
from child.models.model import Model, Rows
from child.pipe import Pipe, PipeClosed
from child.rows import Source, layout, open_table, read_rows
from child.stack import NotHere, Unreadable, is_lean
from jobs import planner
from jobs.codec import (
    PIECE_BYTES,
    Close,
    Converted,
    Done,
    Explain,
    Failed,
    Layout,
    Load,
    MemoryReport,
    ModelInfo,
    Open,
    Plan,
    Ready,
    Span,
    Unsuited,
    Values,
)
from jobs.errors import AdditivityFailed, Problem, UnreadableModel
from jobs.options import Options
from shaptrees import ensemble
from shaptrees.ensemble import About, Ensemble

if TYPE_CHECKING:
    from child.explainers import Explainer
    from child.explainers.additivity import Miss

WHOLE = 2**62
"""More rows than any background: it is read as one span."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a template holds for the children forked from it."""

    options: Options
    model: layout.Wanted
    explainer: "Explainer"
    info: ModelInfo

    def needs_bytes(self, rows: int) -> int:
        """The peak of a child that explains so many rows, over what it is forked with: an estimate."""
        return memory.copied_bytes() + self.explainer.needs_bytes(rows)

    @property
    def lanes(self) -> int:
        """Rows that take hardly longer than one."""
        return self.explainer.lanes

    @property
    def rows_per_block(self) -> int:
        """Rows that are explained at once."""
        interactions = self.options.interactions
        return planner.rows_per_block(self.model.n_features, len(self.info.outputs), interactions=interactions)

    def read(self, source: Source, span: Span, found: Layout) -> Rows:
        """The span's rows in the model's order, checked."""
        return _rows(source, span, found, self.model)

    def explain(self, rows: Rows, first: int) -> "tuple[Rows, Miss]":
        """One block's values, and what they miss the model's output by. Raises AdditivityFailed."""
        from child.explainers import additivity

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = self.explainer.explain(rows, first)
            miss = additivity.largest_miss(self.explainer, rows, values)
        if self.options.check_additivity and not miss.ok:
            raise AdditivityFailed(largest_error=miss.error, tolerance=miss.tolerance)
        return values, miss


def prepare(connection: socket.socket) -> Prepared | None:
    """Receive Load and answer Ready; or Converted, Unsuited or Failed, and None."""
    pipe, start = Pipe(connection), memory.anonymous_bytes()
    try:
        request = pipe.receive()
        if not isinstance(request, Load):
            raise PipeClosed(f"{type(request).__name__} instead of Load")
        prepared = _prepare(pipe, request)
    except PipeClosed:
        raise
    except NotHere as why:
        pipe.send(Unsuited(why.reason, isinstance(why, Unreadable)))
        return None
    except Exception as error:  # whatever it is, the job must hear of it
        _report(pipe, error, start)
        return None
    pipe.send(Ready(prepared.info) if prepared else Converted())
    return prepared


def run(connection: socket.socket, prepared: Prepared | None) -> None:
    """Receive one Open, Explain or Close, do it, and send how it ended: Done or Failed."""
    pipe, start = Pipe(connection), memory.anonymous_bytes()
    try:
        match pipe.receive():
            case Open() as request if prepared:
                done = _open(pipe, request, prepared, start)
            case Explain() as request if prepared:
                done = _explain(pipe, _source(pipe, "data", request.sizes), request.span, request.layout, prepared)
            case Close() as request:
                done = _close(pipe, request)
            case request:
                raise PipeClosed(f"{type(request).__name__} is no request for this child")
        done.memory = memory.report(start)
        pipe.send(done)
    except PipeClosed:
        raise
    except Exception as error:  # whatever it is, the job must hear of it
        _report(pipe, error, start)


def _prepare(pipe: Pipe, request: Load) -> Prepared | None:
    """None where the model was written to a file instead. Raises NotHere where this process is not the one to do it."""
    if request.ensemble:
        try:
            return _from_ensemble(pipe, request, _mapped(request.ensemble))
        except NotHere:
            if is_lean():
                raise
    if is_lean():
        _convert(pipe, request)
        return None
    return _load(pipe, request)


def _mapped(path: str) -> Ensemble:
    try:
        return ensemble.read(path)
    except UnreadableModel as error:
        raise Unreadable(f"its trees, converted earlier, cannot be read: {error.detail['reason']}") from None


def _from_ensemble(pipe: Pipe, request: Load, found: Ensemble) -> Prepared:
    from child import explainers

    has_background = "background" in request.sizes
    reason = explainers.choose_lean(found, request.options, has_background=has_background)
    explainer = explainers.ExactTrees(found, request.options, _background(pipe, request, found.about))
    return _prepared(request, found.about, explainer, "tree", reason)


def _convert(pipe: Pipe, request: Load) -> None:
    """Read a model without its library, and write its trees. What stands against explaining them is said first."""
    from child import explainers

    options, has_background = request.options, "background" in request.sizes
    if not explainers.wants_trees(options):
        raise NotHere(f"the job asked for explainer={options.explainer}")
    if not request.into:
        raise NotHere("there is no file to write its trees to")
    found = models.read_trees(_source(pipe, "model", request.sizes), trusted=request.trusted)
    explainers.choose_lean(found, options, has_background=has_background)
    ensemble.write(found, request.into)


def _load(pipe: Pipe, request: Load) -> Prepared | None:
    """Load a model with its library; its trees are compared with it before anyone explains them."""
    from child import explainers
    from child.models import conversion

    model = models.load(_source(pipe, "model", request.sizes), trusted=request.trusted)
    has_background = "background" in request.sizes
    kind, reason, found = explainers.choose_full(model, request.options, has_background=has_background)
    if found:
        conversion.compare(found, model)
        if request.into:
            ensemble.write(found, request.into)
            return None
        return _from_ensemble(pipe, request, found)
    explainer = explainers.build(kind, model, request.options, _background(pipe, request, model))
    return _prepared(request, model, explainer, kind, reason)


def _prepared(request: Load, model: "Model | About", explainer: "Explainer", kind: str, reason: str) -> Prepared:
    info = ModelInfo(
        family=model.family,
        name=model.name,
        n_features=model.n_features,
        features=model.features,
        outputs=explainer.output.names,
        base_values=explainer.base_values,
        explainer=kind,
        engine=explainer.engine,
        reason=reason,
        explains=explainer.explains,
    )
    return Prepared(options=request.options, model=model, explainer=explainer, info=info)


def _background(pipe: Pipe, request: Load, model: layout.Wanted) -> Rows | None:
    if "background" not in request.sizes:
        return None
    source = _source(pipe, "background", request.sizes)
    table = open_table(source, WHOLE)
    return _rows(source, table.spans[0], layout.lay_out(table, model, source.field), model)


def _open(pipe: Pipe, request: Open, prepared: Prepared, start: int) -> Done:
    source = _source(pipe, "data", request.sizes)
    opened = opening.open_data(source, request, prepared)
    table, found = opened.table, opened.layout
    if request.dry_run:
        seen_bytes = memory.report(start).peak_bytes
        return Done(memory=MemoryReport(), summary=opening.forecast(opened, request, prepared, seen_bytes))
    pipe.send(Plan(layout=found, spans=table.spans))
    if len(table.spans) > 1:
        return Done(memory=MemoryReport())
    done = _explain(pipe, source, table.spans[0], found, prepared)
    if done.partial:
        done.summary = summary.summarize([done.partial], prepared.info, found)
    return done


def _explain(pipe: Pipe, source: Source, span: Span, found: Layout, prepared: Prepared) -> Done:
    """Block by block, so that a chunk's values are never there all at once."""
    rows = prepared.read(source, span, found)
    per_block, parts = prepared.rows_per_block, []
    for start in range(0, len(rows), per_block):
        values, miss = prepared.explain(rows[start : start + per_block], span.first + start)
        _send_values(pipe, values)
        parts.append(summary.partial(values, miss.error, miss.tolerance))
    return Done(memory=MemoryReport(), partial=summary.merged(parts))


def _close(pipe: Pipe, request: Close) -> Done:
    source = _source(pipe, "partials", request.sizes)
    total = summary.summarize(summary.read_partials(source.file), request.model, request.layout)
    return Done(memory=MemoryReport(), summary=total)


def _source(pipe: Pipe, part: str, sizes: dict[str, int]) -> Source:
    size = sizes.get(part, 0)
    return Source(field=part, file=pipe.part(part, size), size=size)


def _rows(source: Source, span: Span, found: Layout, model: layout.Wanted) -> Rows:
    """The span's rows in the model's order, checked."""
    rows = layout.arrange(read_rows(source, span, found), found)
    layout.check_values(rows, span.first, found, model, source.field)
    return rows


def _send_values(pipe: Pipe, values: Rows) -> None:
    """Without the last axis where there is one output; see `codec.Values`."""
    raw = np.ascontiguousarray(values, dtype="<f8").data.cast("B")
    for start in range(0, len(raw), PIECE_BYTES):
        pipe.send(Values(bytes(raw[start : start + PIECE_BYTES])))


def _report(pipe: Pipe, error: Exception, start: int) -> None:
    """Tell what went wrong; nothing of the failed work may be held on to while there is no memory left."""
    kind, code, message, detail = _name(error)
    error.__traceback__ = None
    if kind == "memory":
        memory.make_room_to_report()
    pipe.send(Failed(kind=kind, code=code, message=message, detail=detail, memory=memory.report(start)))


def _name(error: Exception) -> tuple[str, str, str, dict[str, object]]:
    """Kind, code, message, detail."""
    if isinstance(error, Problem):
        return "refused", error.code, error.message, error.detail
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    if memory.is_out_of_memory(error):
        return "memory", "memory_cap", text, {}
    return "raised", "raised", text, {}
