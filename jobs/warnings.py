"""What is odd about a job but no error: said beside its result, with a code for programs. Used by every process.

Children find them, in the model (`ModelInfo`), in the data's layout (`Layout`) and in a chunk's rows (`Partial`); a job
has them all, none twice. Does not cover what ends a job: see `errors`.
"""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

MOST = 20
MOST_CHARACTERS = 500
"""A child is not trusted: what says more than this is no message of ours."""


class JobWarning(msgspec.Struct, kw_only=True, frozen=True):
    """A code, and a sentence that says what it means for the values."""

    code: Annotated[str, msgspec.Meta(max_length=64)]
    message: Annotated[str, msgspec.Meta(max_length=MOST_CHARACTERS)]


JobWarnings = Annotated[list[JobWarning], msgspec.Meta(max_length=MOST)]


def warning(code: str, message: str) -> JobWarning:
    """Its sentence is cut where it is too long."""
    cut = message if len(message) <= MOST_CHARACTERS else f"{message[: MOST_CHARACTERS - 1]}…"
    return JobWarning(code=code, message=cut)


def merged(*found: Iterable[JobWarning]) -> list[JobWarning]:
    """The first MOST of them, in their order, none twice."""
    return list(dict.fromkeys(one for some in found for one in some))[:MOST]


def of_summary(summary: dict[str, Any] | None) -> list[JobWarning]:
    """Those that a summary holds, which a child has written; none where it is not made as ours are."""
    try:
        return msgspec.convert((summary or {}).get("warnings", []), JobWarnings)
    except msgspec.ValidationError:
        return []
