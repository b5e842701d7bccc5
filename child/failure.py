"""From an exception to the `Failed` that the job hears of. Runs in templates and children.

Does not decide what follows from it: see `supervisor.chunks.decide`. Children that cannot tell are judged by how they
ended.
"""

from child import memory
from child.pipe import Pipe
from jobs import errors
from jobs.errors import Problem
from jobs.protocol import Failed
from shaptrees.errors import FeatureCount, ModelError, UnreadableModel, UnsupportedModel


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


def _name(error: Exception) -> tuple[str, str, str, dict[str, object]]:
    """Kind, code, message, detail."""
    if isinstance(error, ModelError):
        error = _problem(error)
    if isinstance(error, Problem):
        return "refused", error.code, error.message, error.detail
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    if memory.is_out_of_memory(error):
        return "memory", "memory_cap", text, {}
    return "raised", "raised", text, {}


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
