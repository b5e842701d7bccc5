"""What a template does with `Load`: a model becomes an explainer, or a file of trees. Every failure becomes a message.

Runs in templates, lean and full ones. Does not fork, set caps or watch: see `supervisor.children`. A socket that breaks
ends the process with PipeClosed, as there is nobody left to tell.
"""

import socket
from itertools import starmap

from child import failure, finite, memory, models, names, refused
from child.explainers import steps
from child.explainers.choose import choose, may_be_lean
from child.explainers.kinds import Kind
from child.explainers.subject import Subject
from child.models import ensemble_file
from child.models.model import Model, Rows
from child.parts import Parts
from child.pipe import Pipe, PipeClosed
from child.prepared import Prepared
from child.rows import layout
from child.rows.readers import open_table
from child.stack import NeedsFullStack, UnreadableEnsemble, is_lean
from jobs import warnings
from jobs.errors import TooManyValues
from jobs.options import Options
from jobs.protocol import MOST_VALUES, Converted, Load, Ready, Unsuited
from jobs.records import ModelInfo
from shaptrees.ensemble import Ensemble
from shaptrees.errors import UnreadableModel

WHOLE = 2**62
"""More rows than any background: it is read as one span."""


def prepare(connection: socket.socket) -> Prepared | None:
    """Receive Load and answer Ready; or Converted, Unsuited or Failed, and None."""
    pipe, start = Pipe(connection), memory.anonymous_bytes()
    try:
        request = pipe.receive()
        if not isinstance(request, Load):
            raise PipeClosed(f"{type(request).__name__} instead of Load")
        prepared = _prepare(request, Parts(pipe, request.sizes))
    except PipeClosed:
        raise
    except NeedsFullStack as why:
        pipe.send(Unsuited(failure.cut(why.reason), isinstance(why, UnreadableEnsemble)))
        return None
    except Exception as error:  # whatever it is, the job must hear of it
        failure.report(pipe, error, start)
        return None
    pipe.send(Ready(prepared.info) if prepared else Converted())
    return prepared


def _prepare(request: Load, parts: Parts) -> Prepared | None:
    """None where the model was written to a file instead. Raises NeedsFullStack where a lean process cannot do it."""
    if request.ensemble:
        try:
            return _from_ensemble(request, parts, _mapped(request.ensemble))
        except NeedsFullStack:
            if is_lean():
                raise
    if is_lean():
        _convert(request, parts)
        return None
    return _load(request, parts)


def _mapped(path: str | int) -> Ensemble:
    try:
        return ensemble_file.read(path)
    except UnreadableModel as error:
        reason = f"its trees, converted earlier, cannot be read: {error.reason}"
        raise UnreadableEnsemble(reason) from None


def _from_ensemble(request: Load, parts: Parts, found: Ensemble) -> Prepared:
    subject = _subject(request, parts, found)
    return _build(subject, *choose(subject), parts)


def _convert(request: Load, parts: Parts) -> None:
    """Read a model without its library, and write its trees. What stands against explaining them is said first."""
    if not may_be_lean(request.options):
        raise NeedsFullStack(f"the job asked for explainer={request.options.explainer}")
    if not request.into:
        raise NeedsFullStack("there is no file to write its trees to")
    found = models.read_trees(parts.source("model"), trusted=request.trusted)
    choose(_subject(request, parts, found))
    ensemble_file.write(found, request.into)


def _load(request: Load, parts: Parts) -> Prepared | None:
    """Load a model with its library; its trees are compared with it before anyone explains them."""
    from child.models import conversion

    model = models.load(parts.source("model"), trusted=request.trusted)
    subject = _subject(request, parts, model)
    kind, reason = choose(subject)
    if kind.stack == "full":
        subject = subject.without_trees()
        return _build(subject, kind, reason, parts)
    core = subject.core
    found = core.trees
    assert isinstance(found, Ensemble)
    conversion.compare(found, core.model)
    if core is not subject:  # its rows go through steps that need their library
        return _build(subject, kind, reason, parts)
    if not request.into:
        return _from_ensemble(request, parts, found)
    ensemble_file.write(found, request.into)
    return None


def _subject(request: Load, parts: Parts, found: Model | Ensemble) -> Subject:
    return Subject(found=found, options=request.options, has_background=parts.has_background)


def _build(subject: Subject, kind: Kind, reason: str, parts: Parts) -> Prepared:
    model = subject.about
    names.check("model", model.features or ())
    explainer, columns, width = _explainer(subject, kind, _background(parts, subject.wanted, subject.options))
    names.check("model", [*explainer.output.names, *(columns or ())])
    _check_values(model.name, len(columns or ()) or model.n_features, len(explainer.output.names))
    info = ModelInfo(
        family=model.family,
        name=model.name,
        n_features=model.n_features,
        features=model.features,
        outputs=explainer.output.names,
        base_values=finite.base_values(explainer.base_values, model.name, explainer.output.names),
        explainer=kind.name,
        engine=explainer.engine,
        reason=reason,
        explains=explainer.explains,
        columns=columns,
        warnings=warnings.merged(starmap(warnings.warning, (*model.warnings, *explainer.warnings))),
    )
    return Prepared(
        options=subject.options, model=subject.wanted, explainer=explainer, info=info, width=width, doubt=model.doubt
    )


def _check_values(name: str, features: int, outputs: int) -> None:
    """Raises TooManyValues for a row that no summary could hold."""
    if (found := features * outputs) > MOST_VALUES:
        raise TooManyValues(model=name, features=features, outputs=outputs, found=found, limit=MOST_VALUES)


def _explainer(subject: Subject, kind: Kind, background: Rows | None) -> steps.Built:
    try:
        return steps.build(kind, subject, background)
    except refused.REFUSALS as error:
        if background is None or not subject.is_loaded:
            raise
        ask = next(iter(subject.model.outputs.values())).call
        raise refused.named(ask, background, 0, subject.model, error, field="background") from error


def _background(parts: Parts, model: layout.Wanted, options: Options) -> Rows | None:
    if not parts.has_background:
        return None
    source = parts.source("background")
    table = open_table(source, WHOLE, model.features)
    found = layout.lay_out(table, model, source.field, options.unknown_columns)
    return layout.read_in_order(source, table.spans[0], found, model)
