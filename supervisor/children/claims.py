"""What a child says, held to its bounds before anyone acts on it: pure functions. Runs in the supervisor.

A child may have been taken over, and what it says is stored, logged and shown. Does not decode (`jobs.protocol`), nor
know which chunk the child works on (`chunks.run`).
"""

from typing import Any

import msgspec

from jobs.protocol import MOST_NAME, BadFrame, Done, Failed, FromChild, Plan, Ready, Unsuited, Whole
from jobs.records import ModelInfo, json_text

MOST_SENTENCE = 4_000
"""Characters of a sentence; what is longer is cut."""
MOST_FEATURES = 2**24
MOST_DETAIL_BYTES = 64 * 1024
"""Of a failure's data, as JSON: more is left out."""
DEEPEST = 20
"""Levels of a document."""


def bounded(message: FromChild) -> FromChild:
    """The message, its sentences cut. Raises BadFrame for what no honest child says."""
    match message:
        case Failed():
            return _failure(message)
        case Unsuited():
            return msgspec.structs.replace(message, reason=message.reason[:MOST_SENTENCE])
        case Done():
            _document(message.summary)
        case Ready():
            _model(message.model)
        case Plan():
            _texts(message.layout)
            _document(message.layout.detail)
        case Whole():
            bounded(message.plan)
            bounded(message.done)
    return message


def _failure(failed: Failed) -> Failed:
    size = _document(failed.detail)
    detail = failed.detail if size <= MOST_DETAIL_BYTES else {}
    return msgspec.structs.replace(failed, message=failed.message[:MOST_SENTENCE], detail=detail)


def _document(found: Any) -> int:
    """Its size as JSON. Raises BadFrame for what is none, or is nested too deeply."""
    try:
        if _is_deeper(found, DEEPEST):
            raise BadFrame(f"a document of over {DEEPEST} levels")
        return len(json_text(found))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadFrame(f"no document: {error}") from error


def _is_deeper(found: Any, levels: int) -> bool:
    if not isinstance(found, dict | list):
        return False
    inner = found.values() if isinstance(found, dict) else found
    return levels == 0 or any(_is_deeper(value, levels - 1) for value in inner if isinstance(value, dict | list))


def _model(model: ModelInfo) -> None:
    _texts(model)
    fits = model.features is None or len(model.features) == model.n_features
    fits = fits and len(model.columns or ()) <= MOST_FEATURES
    if not (0 <= model.n_features <= MOST_FEATURES and fits and 0 < len(model.outputs) == len(model.base_values)):
        raise BadFrame("a model whose numbers do not go together")


def _texts(record: msgspec.Struct) -> None:
    for value in msgspec.structs.astuple(record):
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and len(text) > MOST_NAME for text in texts):
            raise BadFrame(f"a name of over {MOST_NAME} characters")
