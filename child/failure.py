"""From an exception to the `Failed` that the job hears of. Runs in templates and children.

Does not decide what follows from it: see `supervisor.chunks.decide`. Children that cannot tell are judged by how they
ended.
"""

from typing import Any

from child import memory
from child.pipe import Pipe
from jobs import errors
from jobs.errors import Problem
from jobs.protocol import Failed, FailureKind
from shaptrees.errors import FeatureCount, ModelError, UnreadableModel, UnsupportedModel

MOST_CHARACTERS = 2_000


def report(pipe: Pipe, error: Exception, anonymous_at_start: int) -> None:
    """Tell what went wrong; nothing of the failed work may be held on to while there is no memory left.

    `anonymous_at_start`: see `memory.report`. Raises PipeClosed.
    """
    kind, code, message, detail = _name(error)
    error.__traceback__ = None
    if kind == "memory":
        memory.make_room_to_report()
    found = memory.report(anonymous_at_start)
    pipe.send(Failed(kind=kind, code=code, message=message, detail=detail, memory=found))


def _name(error: Exception) -> tuple[FailureKind, str, str, dict[str, object]]:
    """Kind, code, message, detail."""
    if isinstance(error, ModelError):
        error = _problem(error)
    if isinstance(error, Problem):
        return "refused", error.code, cut(error.message), {name: cut(value) for name, value in error.detail.items()}
    text = cut(f"{type(error).__name__}: {error}".removesuffix(": "))
    if memory.is_out_of_memory(error):
        return "memory", "memory_cap", text, {}
    return "raised", "raised", text, {}


def cut(value: Any) -> Any:
    """Names and cells of the caller's stand in messages: no longer than anyone reads, and text that can be sent."""
    if not isinstance(value, str):
        return value
    short = value if len(value) <= MOST_CHARACTERS else f"{value[:MOST_CHARACTERS]}… ({len(value)} characters)"
    return short.encode(errors="backslashreplace").decode()


def _problem(error: ModelError) -> Problem:
    """What a reader or the engine refused, as users know it: `shaptrees` has errors of its own."""
    match error:
        case FeatureCount():
            return errors.FeatureCount(field="data", found=error.found, expected=error.expected)
        case UnsupportedModel():
            return errors.UnsupportedModel(model=error.model, reason=error.reason)
        case UnreadableModel():
            return errors.UnreadableModel(format=error.format, reason=error.reason)
    raise error
