"""One way to say that something is no model: whatever a reader trips over becomes UnreadableModel, with its reason."""

from collections.abc import Iterator
from contextlib import contextmanager

from shaptrees.errors import ModelError, UnreadableModel

MOST_CHARACTERS = 300
"""Of a reason: some of what is quoted comes from the file."""
_TRIPS = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError)


@contextmanager
def reading(file_format: str) -> Iterator[None]:
    """Raises UnreadableModel for what a broken model makes a reader raise; a ModelError goes through as it is."""
    try:
        yield
    except ModelError:
        raise
    except _TRIPS as error:
        raise UnreadableModel(file_format, reason_of(error)) from None


def reason_of(error: Exception) -> str:
    """In a line, for the user."""
    if isinstance(error, KeyError):
        return f"it has no {error}"
    text = str(error).strip() or type(error).__name__
    return next((line for line in text.splitlines() if line.strip()), text)[:MOST_CHARACTERS]
